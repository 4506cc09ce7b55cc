/**
 * Relying parties that never answer: each has its own pauses and at most one worker, and the others
 * get their logouts at once.
 */
import { once } from 'node:events'
import type { Server } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { latchkey } from '../cli/command-line.ts'
import { createBrowser } from '../support/browser.ts'
import { createTestDatabase } from '../support/database.ts'
import { callback, createRelyingParty, testPassword } from '../support/latchkey.ts'
import type { Servers } from '../support/processes.ts'
import { startServers } from '../support/processes.ts'
import { waitFor } from '../support/wait.ts'

const silent = Array.from({ length: 12 }, (_, number) => `silent-${number}`)
const honest = 'honest'

let database: Awaited<ReturnType<typeof createTestDatabase>>
let servers: Servers
const sites: Server[] = []
/** The clients in the order of their logouts. */
let told: string[] = []
/** Unanswered requests by client, and the maximum: of one client, and of all. */
const open = new Map<string, number>()
const most = { ofOne: 0, ofAll: 0 }

async function startSite(clientId: string): Promise<number> {
  const site = createServer(async (request, response) => {
    told.push(clientId)
    if (clientId === honest) {
      await text(request)
      return response.end()
    }
    open.set(clientId, (open.get(clientId) ?? 0) + 1)
    most.ofOne = Math.max(most.ofOne, open.get(clientId) ?? 0)
    most.ofAll = Math.max(
      most.ofAll,
      [...open.values()].reduce((sum, count) => sum + count, 0),
    )
    request.socket.once('close', () => open.set(clientId, (open.get(clientId) ?? 1) - 1))
  })
  sites.push(site)
  site.listen(0, 'localhost')
  await once(site, 'listening')
  return (site.address() as AddressInfo).port
}

beforeAll(async () => {
  database = await createTestDatabase()
  const env = { NODE_ENV: 'test', DATABASE_URL: database.url, MASTER_KEY: 'ab'.repeat(32) }
  servers = await startServers(2, { databaseUrl: database.url, env })
  const clients = await Promise.all(
    [...silent, honest].map(async (clientId) => ({
      client_id: clientId,
      kind: 'spa',
      client_name: clientId,
      first_party: true,
      redirect_uris: [callback],
      scope: 'openid',
      backchannel_logout_uri: `http://localhost:${await startSite(clientId)}/told`,
    })),
  )
  const users = [{ email: 'alice@example.com', email_verified: true, password: testPassword }]
  const seeded = await latchkey(['seed', '-', '--json'], { env, stdin: JSON.stringify({ users, clients }) })
  expect([seeded.code, seeded.stderr]).toEqual([0, ''])
})
afterAll(async () => {
  await servers?.close()
  for (const site of sites) {
    site.closeAllConnections()
    site.close()
  }
  await database?.close()
})

/** Signs alice's browser in at the clients. Returns the function that logs it out. */
async function signIn(clientIds: readonly string[]): Promise<() => Promise<unknown>> {
  const rp = createRelyingParty(servers, createBrowser())
  let idToken = ''
  for (const clientId of clientIds) {
    const { code } = await rp.authorize({ client_id: clientId })
    idToken = (await rp.exchange(code!, { client_id: clientId })).body.id_token
  }
  return () => rp.browser.get(`${servers.issuer}/logout?${new URLSearchParams({ id_token_hint: idToken })}`)
}

const count = async (sql: string): Promise<number> =>
  Number((await database.database.knex.raw(`SELECT count(*) AS count FROM ${sql}`)).rows[0].count)

const twiceBefore = (clientId: string): string[] => {
  const before = told.slice(0, told.indexOf(clientId))
  return silent.filter((name) => before.filter((one) => one === name).length > 1)
}

test('twelve relying parties that never respond do not delay another one', async () => {
  const sessions = await Promise.all([1, 2, 3, 4].map(() => signIn(silent)))
  const [first, second] = [await signIn([honest]), await signIn([honest])]

  // The clients have no history yet.
  await Promise.all(sessions.map((logOut) => logOut()))
  await first()
  await waitFor(() => told.includes(honest))
  expect(twiceBefore(honest)).toEqual([])

  // No silent client has answered. Each waits for its own next time, with all of its deliveries.
  await waitFor(async () => (await count('logout_receiver WHERE failures > 0')) === silent.length, {})
  expect(await count("logout_delivery WHERE state = 'waiting'")).toBe(4 * silent.length)
  await waitFor(() => [...open.values()].every((requests) => requests === 0))
  expect(most.ofOne).toBe(1)

  // One process is left, and all become due at once.
  await servers.servers[1]!.kill('SIGTERM')
  told = []
  most.ofAll = 0
  servers.advanceClock(600_000)
  await database.database.knex.raw('UPDATE graphile_worker._private_jobs SET run_at = now() WHERE locked_at IS NULL')
  await waitFor(() => told.length >= 4)
  await second()
  await waitFor(() => told.includes(honest))
  expect(twiceBefore(honest)).toEqual([])
  expect(told.indexOf(honest)).toBeLessThan(silent.length)
  await waitFor(() => silent.every((clientId) => told.includes(clientId)))
  // Half of its workers, and one for each client.
  expect(most).toEqual({ ofOne: 1, ofAll: 4 })
})
