/**
 * Two server processes whose clocks differ by two minutes: they use one time for shared data, and
 * the wrong one is not ready.
 */
import { createTestDatabase } from '../support/database.ts'
import { startServers } from '../support/processes.ts'
import { waitFor } from '../support/wait.ts'
import { createDemo } from './demo.ts'

test('a process two minutes ahead is not ready, and still repeats honest refreshes and keeps revocations', async () => {
  const database = await createTestDatabase({ isEmpty: true })
  const env = { NODE_ENV: 'development', MASTER_KEY: '1f'.repeat(16) + '2e'.repeat(16) }
  const right = await startServers(1, { databaseUrl: database.url, env })
  const wrong = await startServers(1, {
    databaseUrl: database.url,
    env: { ...env, ISSUER: right.issuer, LATCHKEY_TEST_CLOCK_ALONE: '1' },
    isReadyAwaited: false,
  })
  wrong.advanceClock(120_000)
  const [first, second] = [right.servers[0]!, wrong.servers[0]!]
  const health = async () => {
    const response = await fetch(`${second.url}/health/ready`)
    return { status: response.status, body: await response.json() }
  }
  await waitFor(async () => (await fetch(`${second.url}/health/live`)).status === 200, {
    what: 'the second process',
  })
  expect(await health()).toMatchObject({ status: 503, body: { checks: { clock: false, database: true } } })
  expect(second.output()).toContain('the system clock differs from the database clock')

  const demo = createDemo(right)
  const tokens = (await demo.exchange(first, await demo.code())).body
  const turned = await demo.refresh(first, tokens.refresh_token)
  const repeated = await demo.refresh(second, tokens.refresh_token)
  expect(repeated).toMatchObject({ status: 200, body: { refresh_token: turned.body.refresh_token } })
  // Used where the clock is ahead, repeated where it is right.
  const ahead = await demo.refresh(second, turned.body.refresh_token)
  expect(await demo.refresh(first, turned.body.refresh_token)).toMatchObject({
    status: 200,
    body: { refresh_token: ahead.body.refresh_token },
  })
  wrong.advanceClock(-120_000)
  await waitFor(async () => (await health()).status === 200, { what: 'the clock that was set right' })
  await wrong.close()
  await right.close()
  await database.close()
})
