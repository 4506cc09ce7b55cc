/**
 * Redis down, full or silent: no code is spent before its response is stored, and Postgres takes
 * the rejected writes.
 */
import { createArtifactStore } from '../../adapters/index.ts'
import { createLog } from '../../src/log.ts'
import type { RedisConnection } from '../../src/redis/connection.ts'
import { createRedis } from '../../src/redis/connection.ts'
import type { StallingProxy } from '../faults/stalling-proxy.ts'
import { startStallingProxy } from '../faults/stalling-proxy.ts'
import { createTestClock } from '../support/clock.ts'
import type { TestDatabase } from '../support/database.ts'
import { createTestDatabase } from '../support/database.ts'
import { describeWith } from '../support/programs.ts'
import type { RedisServer } from '../support/redis.ts'
import { startRedis } from '../support/redis.ts'
import { waitFor } from '../support/wait.ts'
import type { TestEngine } from './engine.ts'
import { startEngine } from './engine.ts'

const log = createLog({ level: 'silent' })

describeWith('redis-server', 'while Redis', () => {
  const clock = createTestClock()
  const ends: unknown[] = []
  let database: TestDatabase
  let server: RedisServer
  let proxy: StallingProxy
  let redis: RedisConnection
  let engine: TestEngine

  beforeAll(async () => {
    database = await createTestDatabase()
    server = await startRedis()
    proxy = await startStallingProxy(server.port)
    redis = createRedis({ url: `redis://127.0.0.1:${proxy.port}`, log })
    await redis.whenReady(10_000)
    const store = createArtifactStore({
      pool: database.database.pool,
      transaction: database.database.transaction,
      redis: redis.client,
      clock,
      log,
      deriveKey: () => Buffer.alloc(32, 1),
      graceSeconds: async () => 30,
      onFamilyEnded: (_tx, event) => void ends.push(event),
    })
    engine = await startEngine(store)
  })
  afterEach(() => expect([ends, engine.failures]).toEqual([[], []]))
  afterAll(async () => {
    await engine?.close()
    await redis?.close()
    await Promise.all([proxy?.close(), server?.close(), database?.close()])
  })

  const isBack = () => waitFor(redis.isHealthy, { what: 'the return of Redis' })

  /** A redemption and a refresh during the outage work at once, and still work after it. */
  async function proveTakenOver(goAway: () => Promise<unknown>, comeBack: () => Promise<unknown>): Promise<void> {
    const [kept, opened] = [(await engine.issueCode()).code, (await engine.issueCode()).code]
    const first = await engine.redeem(opened)
    await goAway()
    const redeemed = await engine.redeem(kept)
    const refreshed = await engine.refresh(first.body.refresh_token)
    expect([redeemed.status, refreshed.status]).toEqual([200, 200])
    // Longer than the window: a client that has its response does not depend on the window.
    clock.advance(40_000)
    const again = await engine.refresh(refreshed.body.refresh_token)
    expect(again.status).toBe(200)
    const tokens = [redeemed.body.access_token, refreshed.body.access_token, again.body.access_token]
    for (const token of tokens) expect(await engine.isActive(token)).toBe(true)
    await comeBack()
    for (const token of tokens) expect(await engine.isActive(token)).toBe(true)
    expect((await engine.refresh(again.body.refresh_token)).status).toBe(200)
    expect((await engine.refresh(redeemed.body.refresh_token)).status).toBe(200)
    expect((await engine.redeem((await engine.issueCode()).code)).status).toBe(200)
  }

  test('responds, the token of a request whose code another request spent is deleted in it', async () => {
    const { code } = await engine.issueCode()
    const before = await redis.client.call('DBSIZE')
    const answers = await Promise.all(Array.from({ length: 20 }, () => engine.redeem(code)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    // RFC 6749 §4.1.2: the reuse of a code revokes its tokens.
    expect(ends.splice(0)).not.toEqual([])
    expect(Number(await redis.client.call('DBSIZE')) - Number(before)).toBeLessThanOrEqual(1)
  })

  test('responds, each repeat of a refresh stores its own access token', async () => {
    const { code } = await engine.issueCode()
    const before = await redis.client.call('DBSIZE')
    const token = (await engine.redeem(code)).body.refresh_token
    await Promise.all(Array.from({ length: 20 }, () => engine.refresh(token)))
    // One access token of the code, and one for each response.
    expect(Number(await redis.client.call('DBSIZE')) - Number(before)).toBe(21)
  })

  test('is killed, codes and refresh tokens are redeemed for valid tokens', () =>
    proveTakenOver(
      async () => {
        await server.kill()
        await waitFor(async () => !(await redis.isHealthy()), { what: 'the outage' })
      },
      async () => {
        await server.start()
        await isBack()
      },
    ))

  test('is full, codes and refresh tokens are redeemed for valid tokens', () =>
    proveTakenOver(
      async () => {
        await redis.client.call('CONFIG', 'SET', 'maxmemory', '1')
        expect(await redis.isHealthy()).toBe(false)
      },
      () => redis.client.call('CONFIG', 'SET', 'maxmemory', '0') as Promise<unknown>,
    ))

  test('does not respond, few of many requests wait for it', async () => {
    let { refresh_token: token } = (await engine.redeem((await engine.issueCode()).code)).body
    proxy.stall()
    const durations: number[] = []
    for (let turn = 0; turn < 40; turn += 1) {
      const began = performance.now()
      const { status, body } = await engine.refresh(token)
      expect(status).toBe(200)
      durations.push(performance.now() - began)
      token = body.refresh_token
    }
    proxy.mend()
    await isBack()
    // Only the first request and one trial every two seconds wait for Redis.
    expect(durations.filter((ms) => ms > 900).length).toBeLessThan(10)
    expect((await engine.refresh(token)).status).toBe(200)
  })
})
