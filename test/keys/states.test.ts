/** The states of a key, by the clock alone. */
import type { KeyLife, KeyState } from '../../keys/states.ts'
import { compareKeys, dueState, isPublished, keyStates } from '../../keys/states.ts'

const day = 86_400_000
const times = { announcedMs: day, activeMs: 30 * day, retiredMs: 14 * day }
const bornMs = Date.UTC(2026, 0, 1)

const life = (state: KeyState, at: Partial<KeyLife> = {}): KeyLife => ({
  state,
  createdAt: bornMs,
  announcedAt: undefined,
  activatedAt: undefined,
  retiredAt: undefined,
  ...at,
})

test('a created key is due to be announced at once', () => {
  expect(dueState(life('created'), times, bornMs)).toBe('announced')
})

test.each([
  ['announced', 'active', { announcedAt: bornMs }, times.announcedMs],
  ['active', 'retired', { announcedAt: bornMs - day, activatedAt: bornMs }, times.activeMs],
  ['retired', 'removed', { announcedAt: bornMs - day, activatedAt: bornMs - day, retiredAt: bornMs }, times.retiredMs],
] as const)('a key that is %s stays so for its whole time, and is then due to be %s', (state, next, at, forMs) => {
  expect(dueState(life(state, at), times, bornMs)).toBe(state)
  expect(dueState(life(state, at), times, bornMs + forMs - 1)).toBe(state)
  expect(dueState(life(state, at), times, bornMs + forMs)).toBe(next)
})

test('a step is never skipped, however late it is due', () => {
  expect(dueState(life('announced', { announcedAt: bornMs }), times, bornMs + 1000 * day)).toBe('active')
})

test('announced, active and retired keys are in the JWKS, created ones are not', () => {
  expect(keyStates.filter(isPublished)).toEqual(['announced', 'active', 'retired'])
})

test('the active key comes first, then the announced ones, then the retired ones, the youngest first', () => {
  const keys = [
    life('retired', { createdAt: 1 }),
    life('announced', { createdAt: 4 }),
    life('retired', { createdAt: 2 }),
    life('active', { createdAt: 3 }),
  ]
  expect(keys.sort(compareKeys).map(({ createdAt }) => createdAt)).toEqual([3, 4, 2, 1])
})
