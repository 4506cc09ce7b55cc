/**
 * A client revokes an opaque token that Redis has lost (RFC 7009 §2.1), and Redis returns with it:
 * the token stays revoked.
 */
import { createLog } from '../../src/log.ts'
import type { RedisConnection } from '../../src/redis/connection.ts'
import { createRedis } from '../../src/redis/connection.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey, webSecret } from '../support/latchkey.ts'
import { describeWith } from '../support/programs.ts'
import type { RedisServer } from '../support/redis.ts'
import { startRedis } from '../support/redis.ts'

const secondsOf = { hour: 3600 } as const
const answered = { status: 200, body: '' }

describeWith(['redis-server'], 'a token that Redis has lost', () => {
  let redis: RedisServer
  let connection: RedisConnection
  let server: Latchkey
  let rp: ReturnType<typeof createRelyingParty>
  beforeAll(async () => {
    redis = await startRedis()
    connection = createRedis({ url: redis.url, log: createLog({ level: 'silent' }) })
    await connection.whenReady(10_000)
    server = await startLatchkey({ env: { REDIS_URL: redis.url }, hasDefaultLimits: true })
    await server.addClient({
      clientId: 'other-machine',
      kind: 'machine',
      secret: webSecret,
      metadata: { client_name: 'Other robot', scope: 'api:read' },
    })
    rp = createRelyingParty(server)
  })
  afterAll(async () => {
    await server?.stop()
    await connection?.close()
    await redis?.close()
  })

  const as = (clientId: string) => ({ Authorization: rp.basic(clientId, webSecret) })
  const revoke = (token: string, clientId = 'machine') => rp.call('/revoke', { token }, as(clientId))
  const isActive = async (token: string, clientId = 'machine') =>
    (await rp.call('/introspect', { token }, as(clientId))).body.active
  const machineToken = async (): Promise<string> =>
    (await rp.token({ grant_type: 'client_credentials' }, as('machine'))).body.access_token
  const ends = () => server.database.knex('artifact_end').select('key', 'expires_at')

  /**
   * Like a Redis that restarts without its data. Returns the function that restores the data, as a
   * snapshot or another replica does.
   */
  async function loseAll(): Promise<() => Promise<void>> {
    const { client } = connection
    const keys = 'nodes' in client ? [] : await client.keys('latchkey:artifact:*')
    const values = await Promise.all(keys.map(async (key) => [key, await client.getBuffer(key)] as const))
    for (const key of keys) await client.del(key)
    return async () => {
      for (const [key, value] of values) if (value) await client.set(key, value)
    }
  }

  test('stays invalid when Redis restores it, for a client and for a user', async () => {
    const token = await machineToken()
    const tokens = await rp.signIn()
    const comeBack = await loseAll()
    expect(await isActive(token)).toBe(false)
    expect(await revoke(token)).toMatchObject(answered)
    expect(await revoke(tokens.access_token, 'web')).toMatchObject(answered)
    await comeBack()
    expect(await isActive(token)).toBe(false)
    expect(await isActive(tokens.access_token, 'web')).toBe(false)
    expect((await rp.userinfo(tokens.access_token)).status).toBe(401)
    // The refresh token is in Postgres, and was never lost.
    expect((await rp.refresh(tokens.refresh_token)).status).toBe(200)
  })

  test('is denied only when its own client revokes it', async () => {
    const token = await machineToken()
    const comeBack = await loseAll()
    expect(await revoke(token, 'other-machine')).toMatchObject(answered)
    await comeBack()
    expect(await isActive(token)).toBe(true)
    expect(await revoke(token)).toMatchObject(answered)
    expect(await isActive(token)).toBe(false)
  })

  test('is stored only as long as a token can be valid, and only in our form', async () => {
    await server.database.knex('artifact_end').delete()
    const forms = ['x'.repeat(42), 'x'.repeat(44), `${'x'.repeat(42)}+`, `${'x'.repeat(42)}é`, 'x'.repeat(4000), 'a b']
    for (const text of forms) expect(await revoke(text)).toMatchObject({ status: 200 })
    expect(await ends()).toEqual([])
    await revoke('x'.repeat(43))
    await revoke('x'.repeat(43))
    const [row, ...others] = await ends()
    expect(others).toEqual([])
    // The longest lifetime of an access token, and an hour.
    expect(Number(row.expires_at) - server.clock.now()).toBeLessThanOrEqual(2 * secondsOf.hour * 1000)
    server.clock.advance(secondsOf.hour * 1000)
    await server.parts.artifacts.sweep(1000)
    expect(await ends()).toHaveLength(1)
    server.clock.advance(secondsOf.hour * 1000 + 1)
    await server.parts.artifacts.sweep(1000)
    expect(await ends()).toEqual([])
  })

  test('is denied at most 600 times a minute for each client, also when it is invented, and a refused request stores nothing', async () => {
    await server.database.knex('artifact_end').delete()
    const invented = (index: number) => String(index).padStart(43, 'z')
    const answers: number[] = []
    for (let from = 0; from < 660; from += 60) {
      const some = Array.from({ length: 60 }, (_, index) => revoke(invented(from + index)))
      for (const { status } of await Promise.all(some)) answers.push(status)
    }
    expect(answers.filter((status) => status === 200)).toHaveLength(600)
    expect(answers.filter((status) => status === 429)).toHaveLength(60)
    expect(await ends()).toHaveLength(600)
    // A token that Redis still has is revoked as well.
    const token = await machineToken()
    expect(await revoke(token)).toMatchObject(answered)
    expect(await isActive(token)).toBe(false)
  })
})

test('without Redis no store can restore it, and nothing is written for an unknown token', async () => {
  const server = await startLatchkey()
  const rp = createRelyingParty(server)
  const headers = { Authorization: rp.basic('machine', webSecret) }
  expect(await rp.call('/revoke', { token: 'x'.repeat(43) }, headers)).toMatchObject(answered)
  expect(await server.database.knex('artifact_end').select('key')).toEqual([])
  await server.stop()
})
