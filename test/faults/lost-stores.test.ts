/**
 * A store crashes and returns. Meanwhile 503 with Retry-After and never a wrong answer; afterwards
 * everything works without a restart.
 */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { createTestFolder } from '../support/folders.ts'
import type { PostgresServer } from '../support/postgres-server.ts'
import { startPostgresServer } from '../support/postgres-server.ts'
import type { Servers, StartedProcess } from '../support/processes.ts'
import { startServers } from '../support/processes.ts'
import { describeWith } from '../support/programs.ts'
import { startRedis } from '../support/redis.ts'
import { waitFor } from '../support/wait.ts'
import { createDemo, demoApi } from './demo.ts'

type Demo = ReturnType<typeof createDemo>
type Answer = { status: number; headers: Headers; body?: unknown }
const env = { NODE_ENV: 'development' }

const isRefusal = ({ status, headers }: Answer) => status === 503 && Number(headers.get('Retry-After')) > 0
const isReady = async ({ url }: StartedProcess) => (await fetch(`${url}/health/ready`)).status === 200
const page = (at: StartedProcess, url: string) =>
  fetch(url.replace(/^http:\/\/[^/]+/, at.url), { redirect: 'manual', headers: { Accept: 'text/html' } })

/** Sends every request that needs Postgres once. */
async function askAll(
  demo: Demo,
  at: StartedProcess,
  { code, tokens }: { code: string; tokens: Record<string, string> },
): Promise<Record<string, Answer>> {
  return {
    code: await demo.exchange(at, code),
    refresh: await demo.refresh(at, tokens.refresh_token!),
    'client credentials': await demo.machineToken(at),
    introspection: await demo.introspect(at, tokens.access_token!),
    userinfo: await demo.userinfo(at, tokens.access_token!),
    authorize: await page(at, await demo.authorizeUrl()),
  }
}

async function prove(servers: Servers, die: () => Promise<unknown>, comeBack: () => Promise<unknown>): Promise<void> {
  const [at] = servers.servers as [StartedProcess]
  const demo = createDemo(servers)
  const tokens = (await demo.exchange(at, await demo.code())).body
  const code = await demo.code()
  await die()
  const answers = await askAll(demo, at, { code, tokens })
  const wrong = Object.entries(answers).filter(([, answer]) => !isRefusal(answer))
  expect(wrong.map(([name, { status, headers, body }]) => [name, status, headers.get('Retry-After'), body])).toEqual([])
  expect((await fetch(`${at.url}/health/ready`)).status).toBe(503)
  expect((await fetch(`${at.url}/health/live`)).status).toBe(200)
  expect((await fetch(`${at.url}/jwks`)).status).toBe(200)
  expect((await fetch(`${at.url}/.well-known/openid-configuration`)).status).toBe(200)

  await comeBack()
  await waitFor(() => isReady(at), { what: 'the recovery' })
  // Nothing was used up meanwhile.
  expect((await demo.exchange(at, code)).status).toBe(200)
  expect((await demo.refresh(at, tokens.refresh_token)).status).toBe(200)
  expect((await demo.machineToken(at)).status).toBe(200)
  expect(await demo.code()).toEqual(expect.any(String))
}

describeWith('postgres', 'a Postgres server', () => {
  let postgres: PostgresServer
  let servers: Servers
  beforeAll(async () => {
    postgres = await startPostgresServer()
    servers = await startServers(1, { databaseUrl: await postgres.createDatabase('latchkey'), env })
  })
  afterAll(async () => {
    await servers?.close()
    await postgres?.close()
  })

  test('that is stopped and started', () => prove(servers, postgres.stop, postgres.start))
  test('that is read-only makes the server not ready, with the reason', async () => {
    const [at] = servers.servers as [StartedProcess]
    const reads = (how: string) => `ALTER SYSTEM SET default_transaction_read_only = ${how}`
    await postgres.run(reads('on'), 'SELECT pg_reload_conf()')
    const told = await waitFor(async () => {
      const answer = await fetch(`${at.url}/health/ready`)
      return answer.status === 503 && answer.json()
    })
    expect(told).toMatchObject({ checks: { database: false }, reasons: { database: 'read_only' } })
    await postgres.run(reads('off'), 'SELECT pg_reload_conf()')
    await waitFor(() => isReady(at))
  })
  test('that is killed and started', () => prove(servers, postgres.kill, postgres.start))
})

test('the server restarts a killed embedded Postgres, and no acknowledged data is lost', async () => {
  const data = path.join(createTestFolder(), 'data')
  const servers = await startServers(1, { env: { ...env, DATA_FOLDER: data } })
  const [at] = servers.servers as [StartedProcess]
  const demo = createDemo(servers)
  const tokens = (await demo.exchange(at, await demo.code())).body
  const postmaster = () => Number(readFileSync(path.join(data, 'postgres/postmaster.pid'), 'utf8').split('\n')[0])
  const killed = postmaster()
  process.kill(killed, 'SIGKILL')
  const statuses = new Set<number>()
  await waitFor(
    async () => {
      const { status } = await demo.introspect(at, tokens.access_token)
      statuses.add(status)
      // Until they notice, the orphaned processes of the killed one still answer.
      return status === 200 && postmaster() !== killed && (await isReady(at))
    },
    { what: 'the recovery' },
  )
  expect([...statuses].filter((status) => status !== 200 && status !== 503)).toEqual([])
  expect((await demo.refresh(at, tokens.refresh_token)).status).toBe(200)
  await servers.close()
})

describeWith(['postgres', 'redis-server'], 'Redis', () => {
  test('that stops loses only what it alone stores: Postgres takes over until it returns', async () => {
    const [postgres, redis] = await Promise.all([startPostgresServer(), startRedis()])
    const databaseUrl = await postgres.createDatabase('latchkey')
    const servers = await startServers(1, { databaseUrl, env: { ...env, REDIS_URL: redis.url } })
    const [at] = servers.servers as [StartedProcess]
    const demo = createDemo(servers)
    const tokens = (await demo.exchange(at, await demo.code())).body
    const code = await demo.code()
    const health = async () => {
      const answer = await fetch(`${at.url}/health/ready`)
      return { status: answer.status, body: await answer.json() }
    }
    const spared = (reason: string) => ({ status: 200, body: { checks: { redis: false }, reasons: { redis: reason } } })
    // Like a Redis without free memory, or one that became a replica.
    await redis.set('maxmemory', '1')
    expect(await health()).toMatchObject(spared('refuses_writes'))
    await redis.set('maxmemory', '0')
    expect(await health()).toMatchObject({ status: 200, body: { checks: { redis: true } } })
    await redis.kill()
    expect(await health()).toMatchObject(spared('away'))

    for (const answer of [
      await demo.introspect(at, tokens.access_token),
      await demo.userinfo(at, tokens.access_token),
    ]) {
      expect([answer.status, isRefusal(answer)]).toEqual([503, true])
    }
    // Postgres stores what is new: codes and refresh tokens are exchanged for tokens that work.
    const redeemed = await demo.exchange(at, code)
    expect(redeemed.status).toBe(200)
    const refreshed = await demo.refresh(at, redeemed.body.refresh_token)
    expect(refreshed.status).toBe(200)
    expect((await demo.userinfo(at, refreshed.body.access_token)).status).toBe(200)
    expect((await demo.introspect(at, refreshed.body.access_token)).body).toMatchObject({ active: true })
    expect((await demo.machineToken(at)).status).toBe(200)
    // A JWT is not stored; clients and accounts are cached from Postgres.
    const jwt = await demo.machineToken(at, { resource: demoApi, scope: 'api:read' })
    expect(jwt).toMatchObject({ status: 200, body: { access_token: expect.stringContaining('.') } })
    expect((await fetch(`${at.url}/jwks`)).status).toBe(200)

    await redis.start()
    const isUsed = async () => (await demo.introspect(at, tokens.access_token)).status === 200
    await waitFor(isUsed, { what: 'the recovery' })
    // The refresh token is in Postgres and stays valid. The access token is lost, which costs a
    // refresh.
    expect(await demo.introspect(at, tokens.access_token)).toMatchObject({ status: 200, body: { active: false } })
    expect((await demo.refresh(at, tokens.refresh_token)).status).toBe(200)
    expect((await demo.refresh(at, refreshed.body.refresh_token)).status).toBe(200)
    await servers.close()
    await Promise.all([postgres.close(), redis.close()])
  })
})
