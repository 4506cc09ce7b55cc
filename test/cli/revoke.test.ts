/** `latchkey revoke` and `user access` next to a running server: a revocation is immediate. */
import path from 'node:path'
import { createTestFolder } from '../support/folders.ts'
import { api, callback, createRelyingParty, testPassword, webSecret } from '../support/latchkey.ts'
import type { Servers } from '../support/processes.ts'
import { startServers } from '../support/processes.ts'
import { runCommand } from './command-line.ts'

const folder = createTestFolder()
const env = { NODE_ENV: 'test', DATA_FOLDER: path.join(folder, 'data') }
const run = (args: readonly string[], stdin?: string) =>
  runCommand([...args, '--json'], { env, ...(stdin !== undefined && { stdin }) })
let servers: Servers

beforeAll(async () => {
  servers = await startServers(1, { env })
  await run(['user', 'add', 'alice@example.com', '--email-verified', '--password-stdin'], testPassword)
  await run(['resource-server', 'add', api, '--name', 'API', '--scope', 'api:read'])
  const web = ['client', 'add', '--kind', 'web', '--id', 'web', '--name', 'Web', '--redirect-uri', callback]
  await run([...web, '--scope', 'openid offline_access api:read', '--secret-stdin'], webSecret)
  const machine = ['client', 'add', '--kind', 'machine', '--id', 'machine', '--name', 'Robot', '--scope', 'api:read']
  expect((await run([...machine, '--secret-stdin'], webSecret)).code).toBe(0)
})
afterAll(() => servers.close())

const isActive = async (token: string, clientId = 'web'): Promise<boolean> => {
  const { call, basic } = createRelyingParty(servers)
  return (await call('/introspect', { token }, { Authorization: basic(clientId, webSecret) })).body.active
}

/** Alice's JWT for the API. */
async function ofAlice(scope = 'openid api:read'): Promise<string> {
  const rp = createRelyingParty(servers)
  const { code } = await rp.authorize({ scope, resource: api })
  return (await rp.exchange(code!, { resource: api })).body.access_token
}

async function ofMachine(): Promise<string> {
  const { token, basic } = createRelyingParty(servers)
  const headers = { Authorization: basic('machine', webSecret) }
  return (await token({ grant_type: 'client_credentials', resource: api, scope: 'api:read' }, headers)).body
    .access_token
}

const access = async () => (await run(['user', 'access', 'alice@example.com'])).json()

test('revoke --user ends every token of the account', async () => {
  const tokens = [await ofAlice(), await ofAlice('openid offline_access api:read')]
  const ended = await run(['revoke', '--user', 'alice@example.com'])
  expect(ended.json()).toMatchObject({ target: 'user', ended: 'alice@example.com' })
  expect(ended.json().rows).toBeGreaterThan(4)
  expect(await Promise.all(tokens.map((token) => isActive(token)))).toEqual([false, false])
  expect(await access()).toEqual({ sessions: [], grants: [] })
})

test('revoke --session ends one session by the handle that `user access` shows', async () => {
  const one = await ofAlice()
  const { sessions } = await access()
  const other = await ofAlice()
  expect(sessions).toMatchObject([{ clients: ['web'], signed_in_at: expect.stringContaining('T') }])
  expect((await run(['revoke', '--session', sessions[0].session])).code).toBe(0)
  expect([await isActive(one), await isActive(other)]).toEqual([false, true])
  const again = await run(['revoke', '--session', sessions[0].session])
  expect([again.code, JSON.parse(again.stderr).error.code]).toEqual([1, 'session_not_found'])
})

test('revoke --grant ends one grant, and withdraw-consent the consent to a client', async () => {
  const one = await ofAlice()
  const { grants } = await access()
  expect(grants[0]).toMatchObject({ client: 'web' })
  expect((await run(['revoke', '--grant', grants[0].grant])).code).toBe(0)
  expect(await isActive(one)).toBe(false)
  const two = await ofAlice()
  expect((await run(['user', 'withdraw-consent', 'alice@example.com', 'web'])).json()).toMatchObject({
    client_id: 'web',
  })
  expect(await isActive(two)).toBe(false)
  expect((await access()).grants).toEqual([])
})

test('revoke --client ends the tokens of a client, and --all every token', async () => {
  const token = await ofMachine()
  expect((await run(['revoke', '--client', 'machine'])).code).toBe(0)
  expect(await isActive(token, 'machine')).toBe(false)
  const [later, alices] = [await ofMachine(), await ofAlice()]
  expect([await isActive(later, 'machine'), await isActive(alices)]).toEqual([true, true])
  expect((await run(['revoke', '--all', '--before', 'now'])).json()).toMatchObject({ target: 'all' })
  expect([await isActive(later, 'machine'), await isActive(alices)]).toEqual([false, false])
})

test.each([
  [[], 'revocation_targets'],
  [['--user', 'alice@example.com', '--client', 'web'], 'revocation_targets'],
  [['--all'], 'revocation_targets'],
  [['--client', 'web', '--before', 'now'], 'revocation_targets'],
  [['--all', '--before', 'yesterday'], 'moment_refused'],
  [['--all', '--before', '2026-01-01'], 'moment_refused'],
  [['--all', '--before', '2999-01-01T00:00:00Z'], 'moment_refused'],
  [['--user', 'nobody@example.com'], 'account_not_found'],
  [['--client', 'nobody'], 'client_not_found'],
  [['--session', 'x'], 'session_not_found'],
  [['--grant', 'A'.repeat(43)], 'grant_not_found'],
])('revoke %j is refused and ends nothing: %s', async (options, code) => {
  const token = await ofMachine()
  const refused = await run(['revoke', ...options])
  expect([refused.code, JSON.parse(refused.stderr).error.code]).toEqual([1, code])
  expect(await isActive(token, 'machine')).toBe(true)
})
