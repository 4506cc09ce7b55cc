/**
 * The states of keys on a real Postgres: one of many processes rotates the ring, in the order that
 * verifiers need.
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Algorithm } from '../../keys/algorithms.ts'
import type { KeyChange, Rotation } from '../../keys/rotation.ts'
import { createRotation } from '../../keys/rotation.ts'
import { createSealer } from '../../keys/sealer.ts'
import { systemRandom } from '../../src/random.ts'
import { createTestClock } from '../support/clock.ts'
import { createTestDatabase } from '../support/database.ts'
import { watchProcess } from '../support/watchdog.ts'

type Base = Awaited<ReturnType<typeof createTestDatabase>>
const hour = 3_600_000
const day = 24 * hour
const times = { announcedMs: day, activeMs: 30 * day, retiredMs: 14 * day }
const minAnnouncedMs = hour
const masterKey = randomBytes(32)
const sealer = createSealer(masterKey)
const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const
const clock = createTestClock(Date.UTC(2026, 10, 1))

let base: Base
let recorded: KeyChange[]
let ended: string[]
beforeEach(async () => {
  base = await createTestDatabase()
  recorded = []
  ended = []
})
afterEach(() => base.close())

function openRotation({
  algorithms = ['ES256'] as readonly Algorithm[],
  at = clock as { now: () => number },
} = {}): Rotation {
  return createRotation({
    ...base.database,
    sealer,
    clock: at,
    random: systemRandom,
    algorithms,
    times,
    minAnnouncedMs,
    endSigningKey: async (_tx, kid) => void ended.push(kid),
    record: async (_tx, change) => void recorded.push(change),
  })
}

const states = async (rotation: Rotation) => (await rotation.list()).map(({ state }) => state)
const kidIn = async (rotation: Rotation, state: string) =>
  (await rotation.list()).find((key) => key.state === state)?.kid ?? `no ${state} key`

test('a key is rotated automatically: announced a day ahead, active for thirty days, published for fourteen more, then removed', async () => {
  const rotation = openRotation()
  await rotation.advance()
  expect(await states(rotation)).toEqual(['active'])
  const moves: [atDays: number, changes: string[]][] = []
  const startMs = clock.now()
  for (let hours = 0; hours <= 24 * 76; hours += 1) {
    const changes = await rotation.advance()
    if (changes.length > 0) moves.push([hours / 24, changes.map(({ from, to }) => `${from ?? 'new'} ${to}`)])
    clock.set(startMs + (hours + 1) * hour)
  }
  expect(moves).toEqual([
    [29, ['new announced']],
    [30, ['active retired', 'announced active']],
    [44, ['retired removed']],
    [59, ['new announced']],
    [60, ['active retired', 'announced active']],
    [74, ['retired removed']],
  ])
  expect(recorded).toHaveLength(9)
})

test('of many processes that rotate the keys at the same time exactly one creates the key', async () => {
  const rotations = Array.from({ length: 8 }, () => openRotation({ algorithms: ['ES256', 'EdDSA'] }))
  const advanceAll = () => Promise.all(rotations.map((rotation) => rotation.advance()))
  expect((await advanceAll()).flat()).toHaveLength(2)
  clock.advance(29 * day)
  expect((await advanceAll()).flat()).toHaveLength(2)
  clock.advance(day)
  expect((await advanceAll()).flat()).toHaveLength(4)
  expect((await states(rotations[0]!)).sort()).toEqual(['active', 'active', 'retired', 'retired'])
  expect(recorded).toHaveLength(8)
})

test('after a pause of a year a process takes one step at a time, and no key signs before its announcement', async () => {
  const rotation = openRotation()
  await rotation.advance()
  clock.advance(365 * day)
  expect((await rotation.advance()).map(({ to }) => to)).toEqual(['announced'])
  expect(await rotation.advance()).toEqual([])
  clock.advance(day)
  expect((await rotation.advance()).map(({ to }) => to)).toEqual(['retired', 'active'])
})

test('a key retires only when another key can sign', async () => {
  const rotation = openRotation()
  await rotation.advance()
  const kid = await kidIn(rotation, 'active')
  expect(await rotation.retire(kid, operator)).toEqual({ refused: 'no_successor' })
  await rotation.rotate({ wanted: ['ES256'], isNow: false }, operator)
  const announcedAt = clock.now()
  clock.advance(minAnnouncedMs - 1)
  expect(await rotation.retire(kid, operator)).toEqual({
    refused: 'no_successor',
    readyAt: announcedAt + minAnnouncedMs,
  })
  clock.advance(1)
  expect(await rotation.retire(kid, operator)).toMatchObject([{ to: 'retired' }, { to: 'active' }])
  expect(await rotation.retire(kid, operator)).toEqual({ refused: 'retired' })
  expect(await rotation.retire('nobody', operator)).toEqual({ refused: 'unknown' })
})

test('rotate announces a key once, and rotate --now activates the announced key', async () => {
  const rotation = openRotation()
  await rotation.advance()
  expect(await rotation.rotate({ wanted: ['ES256'], isNow: false }, operator)).toMatchObject([{ to: 'announced' }])
  expect(await rotation.rotate({ wanted: ['ES256'], isNow: false }, operator)).toEqual([])
  const announced = await kidIn(rotation, 'announced')
  const changes = await rotation.rotate({ wanted: ['ES256'], isNow: true }, operator)
  expect(changes.map(({ to }) => to)).toEqual(['retired', 'active'])
  expect(await kidIn(rotation, 'active')).toBe(announced)
  expect(
    (await rotation.rotate({ wanted: ['ES256'], isNow: true }, operator)).map(({ from, to }) => [from, to]),
  ).toEqual([
    ['active', 'retired'],
    [undefined, 'active'],
  ])
})

test('a revoked key is removed at once, its end is stored, and another key signs', async () => {
  const rotation = openRotation()
  await rotation.advance()
  const first = await kidIn(rotation, 'active')
  expect(await rotation.revoke(first, operator)).toMatchObject([{ kid: first, to: 'revoked' }, { to: 'active' }])
  expect(ended).toEqual([first])
  expect(await states(rotation)).toEqual(['active'])
  expect(await rotation.revoke(first, operator)).toEqual({ refused: 'unknown' })
  expect(ended).toEqual([first])

  await rotation.rotate({ wanted: ['ES256'], isNow: false }, operator)
  const [second, announced] = [await kidIn(rotation, 'active'), await kidIn(rotation, 'announced')]
  await rotation.revoke(second, operator)
  expect(await kidIn(rotation, 'active')).toBe(announced)
  expect(await states(rotation)).toEqual(['active'])
})

test('of two concurrent revocations of a key one succeeds, and one new key signs', async () => {
  const [one, two] = [openRotation(), openRotation()]
  await one.advance()
  const kid = await kidIn(one, 'active')
  const results = await Promise.all([one.revoke(kid, operator), two.revoke(kid, operator)])
  expect(results.filter(Array.isArray)).toHaveLength(1)
  expect(await states(one)).toEqual(['active'])
})

test('the revocation of a retired or announced key does not change the active key', async () => {
  const rotation = openRotation()
  await rotation.advance()
  await rotation.rotate({ wanted: ['ES256'], isNow: true }, operator)
  await rotation.rotate({ wanted: ['ES256'], isNow: false }, operator)
  const active = await kidIn(rotation, 'active')
  for (const state of ['retired', 'announced']) await rotation.revoke(await kidIn(rotation, state), operator)
  expect((await rotation.list()).map(({ kid }) => kid)).toEqual([active])
})

test('the key of an algorithm that is no longer configured signs until it retires, without a successor', async () => {
  await openRotation({ algorithms: ['ES256', 'EdDSA'] }).advance()
  const rotation = openRotation({ algorithms: ['ES256'] })
  clock.advance(29 * day)
  expect((await rotation.advance()).map(({ algorithm, to }) => [algorithm, to])).toEqual([['ES256', 'announced']])
  clock.advance(day)
  const changes = await rotation.advance()
  expect(changes.map(({ algorithm, to }) => [algorithm, to])).toEqual([
    ['ES256', 'retired'],
    ['ES256', 'active'],
    ['EdDSA', 'retired'],
  ])
  clock.advance(14 * day)
  expect((await rotation.advance()).map(({ to }) => to)).toEqual(['removed', 'removed'])
})

test('a key that was announced while a clock was wrong is announced again, for the whole time', async () => {
  let nowMs = clock.now()
  const rotation = openRotation({ at: { now: () => nowMs } })
  await rotation.advance()
  const first = await kidIn(rotation, 'active')
  // A year forward, and back.
  nowMs += 365 * day
  await rotation.advance()
  nowMs -= 365 * day - day
  await rotation.advance()
  expect(await states(rotation)).toEqual(['active', 'announced'])
  nowMs += day - 1
  await rotation.advance()
  expect(await kidIn(rotation, 'active')).toBe(first)
  nowMs += 1
  await rotation.advance()
  expect(await states(rotation)).toEqual(['retired', 'active'])
})

test('whatever the clock does, one key signs, and a removed key never returns', async () => {
  let nowMs = clock.now()
  const rotation = openRotation({ at: { now: () => nowMs } })
  await rotation.advance()
  // A pseudo-random sequence, the same in each run.
  let seed = 42
  const next = () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    return seed / 2_147_483_648
  }
  for (let step = 0; step < 400; step += 1) {
    nowMs += Math.round((next() - 0.4) * 20 * day)
    await rotation.advance()
    const found = await states(rotation)
    expect(found.filter((state) => state === 'active')).toHaveLength(1)
    expect(found.filter((state) => state === 'announced').length).toBeLessThanOrEqual(1)
    expect(found.length).toBeLessThan(20)
  }
})

test('a change is rolled back when its audit event cannot be written', async () => {
  const rotation = createRotation({
    ...base.database,
    sealer,
    clock,
    random: systemRandom,
    algorithms: ['ES256'] as const,
    times,
    minAnnouncedMs,
    endSigningKey: async () => {},
    record: async (_tx, { to }) => {
      if (to === 'revoked' || to === 'announced') throw new Error('no record')
    },
  })
  await rotation.advance()
  const kid = await kidIn(rotation, 'active')
  await expect(rotation.revoke(kid, operator)).rejects.toThrow('no record')
  await expect(rotation.rotate({ wanted: ['ES256'], isNow: false }, operator)).rejects.toThrow('no record')
  expect((await rotation.list()).map((key) => [key.kid, key.state])).toEqual([[kid, 'active']])
})

test('a connection that is cut in the middle of a change leaves the ring unchanged, and the next run makes the change', async () => {
  const rotation = openRotation()
  await rotation.advance()
  const kid = await kidIn(rotation, 'active')
  const cut = createRotation({
    ...base.database,
    sealer,
    clock,
    random: systemRandom,
    algorithms: ['ES256'] as const,
    times,
    minAnnouncedMs,
    endSigningKey: async () => {},
    record: async (tx) => void (await tx.raw('SELECT pg_terminate_backend(pg_backend_pid())')),
  })
  await expect(cut.revoke(kid, operator)).rejects.toMatchObject({ code: 'database_unavailable' })
  clock.advance(29 * day)
  await expect(cut.advance()).rejects.toMatchObject({ code: 'database_unavailable' })
  expect((await rotation.list()).map((key) => [key.kid, key.state])).toEqual([[kid, 'active']])
  expect((await rotation.advance()).map(({ to }) => to)).toEqual(['announced'])
})

test('the kill of a process that holds the lock of the key ring does not block another process', async () => {
  const rotation = openRotation()
  await rotation.advance()
  const kid = await kidIn(rotation, 'active')
  const script = `
    import { createRotation } from './keys/rotation.ts'
    import { createSealer } from './keys/sealer.ts'
    import { createDatabase } from './src/database/database.ts'
    import { createLog } from './src/log.ts'
    import { systemRandom as random } from './src/random.ts'
    const database = createDatabase({ url: ${JSON.stringify(base.url)}, poolSize: 2, log: createLog({ level: 'silent' }) })
    const rotation = createRotation({ ...database, random, sealer: createSealer(Buffer.from('${masterKey.toString('hex')}', 'hex')),
      clock: { now: () => ${clock.now()} }, algorithms: ['ES256'], times: ${JSON.stringify(times)}, leastAnnouncedMs: 0,
      endSigningKey: async () => {},
      record: (tx, change) => {
        console.log(change.to)
        return new Promise(() => setInterval(() => {}, 1000))
      } })
    await rotation.rotate({ wanted: ['ES256'], isNow: true }, { actor: { type: 'system' }, origin: { job: 'test' } })`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  watchProcess(child)
  const [line] = await once(child.stdout, 'data')
  expect(String(line)).toBe('retired\n')
  // Meanwhile another process waits, and finishes after the first is killed.
  const waiting = rotation.rotate({ wanted: ['ES256'], isNow: false }, operator)
  child.kill('SIGKILL')
  expect((await waiting).map(({ to }) => to)).toEqual(['announced'])
  expect(await kidIn(rotation, 'active')).toBe(kid)
})
