/**
 * The master key is changed under two running servers, and the command is killed half-way. No
 * request fails, and sessions, refresh tokens and client secrets stay valid.
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { createSealer } from '../../keys/sealer.ts'
import { latchkey } from '../cli/command-line.ts'
import type { TestDatabase } from '../support/database.ts'
import { createTestDatabase } from '../support/database.ts'
import type { Servers, StartedProcess } from '../support/processes.ts'
import { shiftClock, startServers } from '../support/processes.ts'
import { sentence } from '../support/sentences.ts'
import { waitFor } from '../support/wait.ts'
import { watchProcess } from '../support/watchdog.ts'
import { createDemo, demoApi } from './demo.ts'

const [oldKey, newKey] = [randomBytes(32), randomBytes(32)]
const waitingJobs = 4000
let base: TestDatabase
const started: Servers[] = []

beforeAll(async () => {
  base = await createTestDatabase()
})
afterAll(async () => {
  await Promise.all(started.map((servers) => servers.close()))
  await base.close()
})

const keysOf = (now: Buffer, before?: Buffer) => ({
  MASTER_KEY: now.toString('hex'),
  ...(before && { MASTER_KEY_PREVIOUS: before.toString('hex') }),
})
async function start(count: number, keys: Record<string, string>, issuer?: string): Promise<Servers> {
  const env = { NODE_ENV: 'development', ...lease, ...keys, ...(issuer !== undefined && { ISSUER: issuer }) }
  const servers = await startServers(count, { databaseUrl: base.url, env })
  started.push(servers)
  return servers
}
/** The command waits for as long as a server may sign without reading the ring. */
const lease = { LATCHKEY_TEST_LEASE_MS: '2000' }
const both = { NODE_ENV: 'development', ...keysOf(newKey, oldKey), ...lease }
const headerOf = (key: Buffer) => createSealer(key).seal(Buffer.alloc(0), '').subarray(0, 9).toString('base64')

async function countJobsUnder(key: Buffer): Promise<number> {
  const { rows } = await base.database.knex.raw(
    `SELECT count(*) FROM graphile_worker._private_jobs WHERE payload ->> 'sealed' LIKE ?`,
    [`${headerOf(key)}%`],
  )
  return Number(rows[0].count)
}

/** Events that are due tomorrow, so that the key change has work to do. */
async function fillOutbox(): Promise<void> {
  const sealer = createSealer(oldKey)
  const ids = Array.from({ length: waitingJobs }, (_, n) => `waiting-${n}`)
  const events = ids.map((id) => {
    const sealed = sealer.seal(Buffer.from('{"action":"test.waiting"}'), `outbox audit-log ${id}`).toString('base64')
    return JSON.stringify({ id, sealed })
  })
  // In portions: no statement may take longer than five seconds on any machine.
  for (let from = 0; from < events.length; from += 1000) {
    await base.database.knex.raw(
      `SELECT count(graphile_worker.add_job(identifier => 'outbox:audit-log', payload => event::json, run_at => now() + interval '1 day'))
       FROM unnest(?::text[]) AS event`,
      [events.slice(from, from + 1000)],
    )
  }
}

test('the master key is replaced while servers answer every request, although the command is killed and run again', async () => {
  const before = await start(1, keysOf(oldKey))
  const demo = createDemo(before)
  let tokens = (await demo.exchange(before.servers[0]!, await demo.code())).body
  await fillOutbox()

  // Rolled out: servers with both keys start, then those with only the old key stop.
  const during = await start(2, keysOf(newKey, oldKey), before.issuer)
  expect(await countJobsUnder(newKey)).toBe(0)
  expect((await demo.refresh(before.servers[0]!, tokens.refresh_token)).status).toBe(200)
  tokens = (await demo.refresh(before.servers[0]!, tokens.refresh_token)).body

  // Too early: one server does not have the new key yet.
  const cli = path.resolve(import.meta.dirname, '../../src/cli.ts')
  const env = { PATH: process.env.PATH ?? '', DATABASE_URL: base.url, ...both }
  const early = await latchkey(['keys', 'reseal', '--json'], { env })
  expect([early.code, JSON.parse(early.stderr).error]).toMatchObject([
    1,
    {
      code: 'master_key_unknown_to_servers',
      message: sentence('errors.master_key_unknown_to_servers', { count: 1 }),
    },
  ])
  expect(await countJobsUnder(newKey)).toBe(0)

  const failures: unknown[] = []
  let requests = 0
  let isOver = false
  const load = during.servers.map(async (at) => {
    while (!isOver) {
      const answers = [
        await demo.machineToken(at, { resource: demoApi, scope: 'api:read' }),
        await demo.introspect(at, tokens.access_token),
      ]
      requests += answers.length
      for (const { status, body } of answers) if (status !== 200 || body.active === false) failures.push([status, body])
    }
  })
  await before.servers[0]!.kill('SIGTERM')

  const doomed = spawn(process.execPath, ['--import', shiftClock, cli, 'keys', 'reseal'], { env, stdio: 'ignore' })
  watchProcess(doomed)
  await waitFor(async () => (await countJobsUnder(newKey)) > 100, { what: 'the reseal half-way' })
  doomed.kill('SIGKILL')
  await new Promise((resolve) => doomed.once('close', resolve))
  const done = await countJobsUnder(newKey)
  expect(done).toBeGreaterThan(0)
  expect(done).toBeLessThan(waitingJobs)

  // Half-way: a client is added, a session continues, a key is created, and all of it is sealed
  // under the new key.
  const added = await latchkey(['client', 'add', '--kind', 'machine', '--name', 'M', '--id', 'midway', '--json'], {
    env,
  })
  expect(added.code).toBe(0)
  const again = await latchkey(['keys', 'reseal', '--json'], { env })
  expect([again.code, again.json().unopened]).toEqual([0, []])
  expect(again.json().resealed.outbox).toBeGreaterThanOrEqual(waitingJobs - done)
  expect(await countJobsUnder(oldKey)).toBe(0)
  isOver = true
  await Promise.all(load)
  expect(failures).toEqual([])
  expect(requests).toBeGreaterThan(100)

  // Rolled out again, without the old key.
  const after = await start(1, keysOf(newKey), before.issuer)
  await Promise.all(during.servers.map((server) => server.kill('SIGTERM')))
  const [at] = after.servers as [StartedProcess]
  tokens = (await demo.refresh(at, tokens.refresh_token)).body
  expect(tokens).toHaveProperty('refresh_token')
  expect(await demo.introspect(at, tokens.access_token)).toMatchObject({ body: { active: true } })
  // The session cookie from before the key change still works: no page asks for anything.
  const silent = await demo.authorizeUrl({ prompt: 'none', scope: 'openid offline_access' })
  const cookies = await demo.rp.browser.jar.getCookieString(before.issuer)
  const page = await fetch(silent.replace(before.issuer, at.url), { redirect: 'manual', headers: { Cookie: cookies } })
  expect(page.headers.get('Location')).toMatch(/[?&]code=/)
  // A server with only the old key refuses to start, and says why.
  const late = await startServers(1, {
    databaseUrl: base.url,
    env: { NODE_ENV: 'development', ...keysOf(oldKey) },
    isReadyAwaited: false,
  })
  started.push(late)
  expect((await late.servers[0]!.exited).code).toBe(78)
})
