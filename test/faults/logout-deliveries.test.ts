/**
 * Logouts that must be delivered although processes crash: each event by one process at a time, and
 * none is lost.
 */
import { once } from 'node:events'
import type { Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { decodeJwt } from 'jose'
import { latchkey } from '../cli/command-line.ts'
import { createBrowser } from '../support/browser.ts'
import { createTestDatabase } from '../support/database.ts'
import { callback, createRelyingParty, testPassword, webSecret } from '../support/latchkey.ts'
import type { Servers } from '../support/processes.ts'
import { startServers } from '../support/processes.ts'
import { waitFor } from '../support/wait.ts'

let database: Awaited<ReturnType<typeof createTestDatabase>>
let servers: Servers
let site: Server
let env: Record<string, string>
/** The logout tokens that the relying party received. It answers as `answer` says. */
const received: string[] = []
let answer: (response: ServerResponse) => void = (response) => response.end()

const run = (args: readonly string[], stdin = '') => latchkey([...args, '--json'], { env, stdin })

beforeAll(async () => {
  site = createServer(async (request, response) => {
    received.push(new URLSearchParams(await text(request)).get('logout_token') ?? '')
    answer(response)
  })
  site.listen(0, 'localhost')
  await once(site, 'listening')
  database = await createTestDatabase()
  env = { NODE_ENV: 'test', DATABASE_URL: database.url, MASTER_KEY: 'ab'.repeat(32) }
  servers = await startServers(2, { databaseUrl: database.url, env })
  await run(['user', 'add', 'alice@example.com', '--email-verified', '--password-stdin'], testPassword)
  const uri = `http://localhost:${(site.address() as AddressInfo).port}/told`
  const web = ['client', 'add', '--kind', 'web', '--id', 'web', '--name', 'Web', '--redirect-uri', callback]
  const added = await run([...web, '--backchannel-logout-uri', uri, '--secret-stdin'], webSecret)
  expect([added.code, added.stderr]).toEqual([0, ''])
})
afterAll(async () => {
  await servers?.close()
  site.closeAllConnections()
  site.close()
  await database?.close()
})
beforeEach(() => {
  received.length = 0
  answer = (response) => response.end()
})

/** Alice's browser at the client, with its ID token. */
async function signedIn(): Promise<{ rp: ReturnType<typeof createRelyingParty>; idToken: string }> {
  const rp = createRelyingParty(servers, createBrowser())
  const { code } = await rp.authorize()
  return { rp, idToken: (await rp.exchange(code!)).body.id_token }
}

const logOut = (rp: ReturnType<typeof createRelyingParty>, hint: string) =>
  rp.browser.get(`${servers.issuer}/logout?${new URLSearchParams({ id_token_hint: hint })}`)

const list = async () => (await run(['logout-deliveries', 'list'])).json().logout_deliveries

test('twenty logouts at two processes are delivered once each', async () => {
  const browsers = await Promise.all(Array.from({ length: 20 }, signedIn))
  await Promise.all(browsers.map(({ rp, idToken }) => logOut(rp, idToken)))
  await waitFor(() => received.length >= 20)
  await waitFor(async () => (await list()).every(({ state }: { state: string }) => state === 'delivered'))
  const told = received.map((token) => decodeJwt(token).sid).sort()
  expect(told).toEqual(browsers.map(({ idToken }) => decodeJwt(idToken).sid).sort())
})

test('a delivery of a killed process is completed by the other process', async () => {
  const { rp, idToken } = await signedIn()
  const held: ServerResponse[] = []
  answer = (response) => void held.push(response)
  await logOut(rp, idToken)
  await waitFor(() => held.length === 1)
  // Either process may be delivering: the first is killed and restarted, then the other.
  for (const one of servers.servers) {
    await one.kill('SIGKILL')
    await one.restart()
  }
  answer = (response) => response.end()
  // The queue has its own clock: it releases the jobs of a crashed process after its seconds of
  // grace.
  await waitFor(async () => {
    await database.database.knex.raw(
      `UPDATE graphile_worker._private_jobs SET run_at = now(), locked_at = CASE WHEN locked_at IS NOT NULL THEN now() - interval '1 minute' END
         WHERE task_id = (SELECT id FROM graphile_worker._private_tasks WHERE identifier = 'logout-receiver')`,
    )
    return received.length >= 2
  })
  await waitFor(async () => (await list())[0].state === 'delivered')
  expect(new Set(received.map((token) => decodeJwt(token).sid))).toEqual(new Set([decodeJwt(idToken).sid]))
})

test('a failed delivery is shown on the command line, and repeated from there', async () => {
  const { rp, idToken } = await signedIn()
  answer = (response) => response.writeHead(400).end()
  await logOut(rp, idToken)
  await waitFor(async () => (await list())[0].state === 'given_up')
  const [{ id, client, attempts, last_failure: failure }] = await list()
  expect([client, attempts, failure]).toEqual(['web', 1, 'status_400'])
  answer = (response) => response.end()
  expect((await run(['logout-deliveries', 'retry', id])).json()).toEqual({ id, state: 'waiting' })
  await waitFor(async () => (await list())[0].state === 'delivered')
  expect(received).toHaveLength(2)
  const again = await run(['logout-deliveries', 'retry', id])
  expect([again.code, JSON.parse(again.stderr).error.code]).toEqual([1, 'logout_delivery_done'])
  const none = await run(['logout-deliveries', 'list', '--state', 'waiting', '--client', 'web'])
  expect(none.json()).toEqual({ logout_deliveries: [] })
  expect((await latchkey(['logout-deliveries', 'list'], { env })).stdout).toContain('delivered')
})
