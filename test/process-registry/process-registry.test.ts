/** Server processes publish the stores that they use, and are not ready while they disagree. */
import { Readable, Writable } from 'node:stream'
import { runCli } from '../../src/cli/run.ts'
import { checkProxy, checkStores } from '../../src/doctor/verdicts.ts'
import { createLog } from '../../src/log.ts'
import {
  createProcessRegistry,
  describeStores,
  inspectPeers,
  inspectStores,
} from '../../src/process-registry/service.ts'
import { systemRandom } from '../../src/random.ts'
import { createTestClock } from '../support/clock.ts'
import type { TestDatabase } from '../support/database.ts'
import { createTestDatabase } from '../support/database.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey, webSecret } from '../support/latchkey.ts'
import { describeWith } from '../support/programs.ts'
import type { RedisServer } from '../support/redis.ts'
import { startRedis } from '../support/redis.ts'
import { waitFor } from '../support/wait.ts'

const ready = async ({ base }: Latchkey) => {
  const response = await fetch(`${base}/health/ready`)
  return { status: response.status, body: (await response.json()) as { checks: Record<string, boolean> } }
}
const isReady = async (server: Latchkey) => (await ready(server)).status === 200

test('equal sets of stores have one name, without credentials', () => {
  expect(describeStores(undefined)).toBe('postgres')
  expect(describeStores('redis://me:secret@Cache.internal')).toBe('postgres redis://cache.internal:6379/0')
  expect(describeStores('rediss://cache.internal:6379/0')).toBe(describeStores('redis://:other@cache.internal'))
  expect(describeStores('redis://cache.internal/1')).not.toBe(describeStores('redis://cache.internal'))
  expect(describeStores('redis+cluster://b:7001,a')).toBe('postgres redis+cluster://a:6379,b:7001/0')
  expect(describeStores('redis://[::1]')).toBe(describeStores('redis://[::1]:6379'))
})

test('a proxy that TRUST_PROXY does not name is logged once, and reported by the doctor for a day', async () => {
  const lines: string[] = []
  const server = await startLatchkey({ onLog: (line) => void lines.push(line) })
  const { knex } = server.database
  const peers = () => inspectPeers(knex, server.clock.now())
  const ask = () => fetch(`${server.base}/health/live`, { headers: { 'X-Forwarded-For': '203.0.113.7' } })
  await fetch(`${server.base}/health/live`)
  expect(checkProxy(await peers())).toMatchObject({ status: 'ok', code: 'proxy_ok' })
  for (let count = 0; count < 3; count += 1) await ask()
  await server.parts.processRegistry.publishOwn()
  const found = checkProxy(await peers())
  expect(found).toMatchObject({ status: 'warning', code: 'proxy_untrusted', params: { peers: '127.0.0.1' } })
  const told = lines.filter((line) => line.includes('TRUST_PROXY'))
  expect(told.map((line) => JSON.parse(line))).toMatchObject([{ level: 'warn', peer: '127.0.0.1' }])
  server.clock.advance(24 * 3_600_000)
  await server.parts.processRegistry.publishOwn()
  expect(await peers()).toEqual([])
  await server.stop()
  expect(lines.filter((line) => line.includes('TRUST_PROXY'))).toHaveLength(1)
})

test('a process that cannot publish its stores logs one warning until it succeeds again', async () => {
  const { database, close } = await createTestDatabase()
  const lines: string[] = []
  const log = createLog({ level: 'info', destination: { write: (line) => void lines.push(line) } })
  const { knex: db } = database
  const registry = createProcessRegistry({
    db,
    clock: createTestClock(),
    random: systemRandom,
    log,
    redisUrl: undefined,
  })
  await registry.serve()
  for (let count = 0; count < 2; count += 1) {
    await db.schema.renameTable('store_set_up', 'away')
    await registry.publishOwn()
    await registry.publishOwn()
    await db.schema.renameTable('away', 'store_set_up')
    await registry.publishOwn()
  }
  const told = lines.map((line) => JSON.parse(line))
  expect(told.map(({ level, err }) => [level, err.errorCode])).toEqual([
    ['warn', '42P01'],
    ['warn', '42P01'],
  ])
  await close()
})

test('the doctor finds the running servers whatever its own clock says', async () => {
  const { database, url, close } = await createTestDatabase()
  const [clock, log] = [createTestClock(), createLog({ level: 'silent' })]
  const redisUrl = 'redis://cache.internal'
  await createProcessRegistry({ db: database.knex, clock, random: systemRandom, log, redisUrl }).serve()
  clock.advance(3_600_000)
  let printed = ''
  const stdout = new Writable({
    write: (chunk, _encoding, done) => {
      printed += String(chunk)
      done()
    },
  })
  const env = { NODE_ENV: 'test', DATABASE_URL: url, MASTER_KEY: 'ab'.repeat(32) }
  // A command only writes to these streams.
  await runCli({ argv: ['doctor', '--json'], env, io: { stdin: Readable.from([]), stdout, stderr: stdout } as never })
  clock.restore()
  expect(printed).toContain('stores_differ')
  await close()
})

describeWith(['redis-server'], 'a process without Redis beside one with it', () => {
  let redis: RedisServer
  let database: TestDatabase
  beforeAll(async () => {
    redis = await startRedis()
    database = await createTestDatabase()
  })
  afterAll(async () => {
    await database.close()
    await redis.close()
  })

  test('two processes with different stores are not ready until one of them stops', async () => {
    const withRedis = await startLatchkey({ database, env: { REDIS_URL: redis.url } })
    await waitFor(() => isReady(withRedis), { what: 'the process with Redis' })
    const without = await startLatchkey({ database, clock: withRedis.clock })
    // The later process has checked before it listens.
    expect(await ready(without)).toMatchObject({ status: 503, body: { checks: { database: true, stores: false } } })
    await waitFor(async () => (await ready(withRedis)).body.checks.stores === false, { what: 'the older process' })
    const told = await inspectStores(database.database.knex, undefined, withRedis.clock.now())
    expect(checkStores(told)).toMatchObject({ status: 'failed', code: 'stores_differ' })
    expect(checkStores({ ...told, running: ['postgres'] })).toMatchObject({ status: 'ok', code: 'stores_agree' })
    await without.stop()
    await waitFor(() => isReady(withRedis), { what: 'the process that stays' })
    await withRedis.stop()
    expect(await database.database.knex('store_set_up')).toEqual([])
  })

  test('two processes with different stores answer 503 where the stores matter, and decide nothing', async () => {
    const withRedis = await startLatchkey({ database, env: { REDIS_URL: redis.url } })
    await waitFor(() => isReady(withRedis), { what: 'the process with Redis' })
    const metadata = { client_name: 'Robot', scope: 'api:read' }
    await withRedis.addClient({ clientId: 'robot', kind: 'machine', secret: webSecret, metadata })
    const web = { client_name: 'Web', redirect_uris: ['https://app.example/callback'], scope: 'openid' }
    await withRedis.addClient({ clientId: 'site', kind: 'web', secret: webSecret, metadata: web })
    const ask = ({ base }: Latchkey, path: string, fields: Record<string, string>) => {
      const { basic, call } = createRelyingParty({ issuer: base })
      return call(path, fields, { Authorization: basic('robot', webSecret) })
    }
    const issue = { grant_type: 'client_credentials' }
    const { access_token: token } = (await ask(withRedis, '/token', issue)).body
    expect((await ask(withRedis, '/introspect', { token })).body).toMatchObject({ active: true })

    const without = await startLatchkey({ database, clock: withRedis.clock })
    const rp = createRelyingParty({ issuer: without.base })
    const authorizeUrl = await rp.authorizeUrl({ client_id: 'site' })
    const posted = { method: 'POST', body: new URLSearchParams({ login_hint: 'alice@example.com' }) }
    const bearer = { headers: { Authorization: `Bearer ${token}` } }
    const refused = {
      revoke: await ask(without, '/revoke', { token }),
      'revoke with a hint': await ask(without, '/revoke', { token, token_type_hint: 'refresh_token' }),
      introspect: await ask(without, '/introspect', { token }),
      token: await ask(without, '/token', issue),
      userinfo: await fetch(`${without.base}/userinfo`, bearer),
      authorize: await fetch(authorizeUrl, { redirect: 'manual' }),
      'authorize by POST': await fetch(`${without.base}/authorize`, { ...posted, redirect: 'manual' }),
    }
    const told = Object.entries(refused).map(([name, { status, headers }]) => [
      name,
      status,
      headers.get('Retry-After'),
    ])
    expect(told).toEqual(Object.keys(refused).map((name) => [name, 503, '5']))
    expect(refused.revoke.body).toMatchObject({ error: 'temporarily_unavailable' })
    await waitFor(async () => !(await isReady(withRedis)), { what: 'the older process' })
    expect(await ask(withRedis, '/introspect', { token })).toMatchObject({ status: 503 })

    await without.stop()
    await waitFor(() => isReady(withRedis), { what: 'the process that stays' })
    expect((await ask(withRedis, '/introspect', { token })).body).toMatchObject({ active: true })
    expect(await ask(withRedis, '/revoke', { token })).toMatchObject({ status: 200 })
    expect((await ask(withRedis, '/introspect', { token })).body).toEqual({ active: false })
    await withRedis.stop()
  })

  test('of two concurrent starts with different stores at least one detects the other before it listens', async () => {
    const { knex } = database.database
    const log = createLog({ level: 'silent' })
    const clock = createTestClock()
    const both = Promise.withResolvers<void>()
    let written = 0
    /**
     * The database of a process whose first row is committed only after the other process has
     * written its own.
     */
    const slow = () => {
      let isFirst = true
      const raw = async (sql: string, bindings: never) => {
        if (!isFirst) return knex.raw(sql, bindings)
        isFirst = false
        return knex.transaction(async (tx) => {
          const result = await tx.raw(sql, bindings)
          written += 1
          if (written === 2) both.resolve()
          await both.promise
          return result
        })
      }
      // Only the query that publishes a row is used; the one that deletes it is not.
      return { raw } as unknown as typeof knex
    }
    const registries = [undefined, 'redis://cache'].map((redisUrl) =>
      createProcessRegistry({ db: slow(), clock, random: systemRandom, log, redisUrl }),
    )
    expect(registries.map((one) => one.areStoresAgreed())).toEqual([true, true])
    await Promise.all(registries.map((one) => one.serve()))
    expect(registries.map((one) => one.areStoresAgreed())).toContain(false)
    await knex('store_set_up').delete()
  })

  test('a process that was killed counts for fifteen seconds', async () => {
    const server = await startLatchkey({ database })
    const dead = { process: 'dead', stores: 'postgres redis://gone:6379/0', seen_at: server.clock.now() }
    await database.database.knex('store_set_up').insert(dead)
    await waitFor(async () => !(await isReady(server)), { what: 'the disagreement' })
    server.clock.advance(15_001)
    await waitFor(() => isReady(server), { what: 'agreement' })
    await server.stop()
  })
})
