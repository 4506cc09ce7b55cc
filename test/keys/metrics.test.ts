/** The metrics of the keys for administrators. */
import type { Latchkey } from '../support/latchkey.ts'
import { startLatchkey } from '../support/latchkey.ts'

let server: Latchkey
beforeAll(async () => {
  server = await startLatchkey()
})
afterAll(() => server.stop())

const values = async (name: string): Promise<Record<string, number>> => {
  const metric = await server.parts.metrics.getSingleMetric(name)?.get()
  const entries = (metric?.values ?? []).map(({ labels, value }) => [Object.values(labels).join(' '), value] as const)
  return Object.fromEntries(entries)
}

test('keys are counted by algorithm and state', async () => {
  await server.parts.signingKeys.rotate(
    { wanted: ['ES256'], isNow: true },
    { actor: { type: 'system' }, origin: { job: 'test' } },
  )
  server.clock.advance(60_000)
  await server.parts.keyRing.confirm()
  expect(await values('latchkey_signing_keys')).toMatchObject({
    'RS256 active': 1,
    'RS256 retired': 0,
    'ES256 active': 1,
    'ES256 retired': 1,
    'ES256 announced': 0,
  })
})

test('the age of the active key of each algorithm is measured', async () => {
  const before = await values('latchkey_active_key_age_seconds')
  expect(Object.keys(before).sort()).toEqual(['ES256', 'EdDSA', 'RS256'])
  server.clock.advance(3_600_000)
  const after = await values('latchkey_active_key_age_seconds')
  expect(after.RS256).toBeCloseTo((before.RS256 ?? 0) + 3600, 6)
})

test('the time since the last read of the key ring is measured', async () => {
  server.clock.advance(100_000)
  expect((await values('latchkey_key_ring_unconfirmed_seconds'))['']).toBeGreaterThanOrEqual(100)
  await server.parts.keyRing.confirm()
  expect((await values('latchkey_key_ring_unconfirmed_seconds'))['']).toBeLessThan(16)
})
