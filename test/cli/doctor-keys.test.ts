/** The doctor's checks of the keys. */
import { checkKeyRing, checkMasterKeys } from '../../src/doctor/verdicts.ts'

const day = 86_400_000
const nowMs = Date.UTC(2026, 10, 27)
const facts = { needed: ['RS256', 'ES256'], activeMs: 30 * day, isFresh: false, nowMs }
const active = (algorithm: string, ageDays: number) => ({ algorithm, activatedAt: nowMs - ageDays * day })

test('a key ring whose keys are within their lifetime is ok', () => {
  expect(checkKeyRing([active('RS256', 30), active('ES256', 1)], facts)).toMatchObject({
    status: 'ok',
    code: 'keys_ok',
  })
})

test('a key that is a day overdue for rotation is a warning', () => {
  expect(checkKeyRing([active('RS256', 31.1), active('ES256', 1)], facts)).toMatchObject({
    status: 'warning',
    code: 'keys_overdue',
    params: { algorithms: 'RS256' },
  })
})

test('an algorithm without an active key is reported', () => {
  expect(checkKeyRing([active('RS256', 1)], facts)).toMatchObject({ status: 'warning', code: 'keys_missing' })
  expect(checkKeyRing([], { ...facts, isFresh: true })).toMatchObject({ status: 'ok', code: 'keys_not_made' })
})

test('a second master key after the change is a warning', () => {
  expect(checkMasterKeys(false, true)).toMatchObject({ status: 'warning', code: 'master_key_changing' })
  expect(checkMasterKeys(false, false)).toMatchObject({ status: 'ok', code: 'master_key_ok' })
})
