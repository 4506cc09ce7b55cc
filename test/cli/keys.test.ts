/** `latchkey keys` next to two running servers: both see each change at once, and it is audited. */
import { createLocalJWKSet, jwtVerify } from 'jose'
import { createDemo, demoApi } from '../faults/demo.ts'
import type { TestDatabase } from '../support/database.ts'
import { createTestDatabase } from '../support/database.ts'
import type { Servers, StartedProcess } from '../support/processes.ts'
import { startServers } from '../support/processes.ts'
import { sentence } from '../support/sentences.ts'
import { waitFor } from '../support/wait.ts'
import { runCommand } from './command-line.ts'

let base: TestDatabase
let servers: Servers
const masterKey = '3a'.repeat(16) + '4b'.repeat(16)
const run = (...args: string[]) =>
  runCommand([...args, '--json'], { env: { NODE_ENV: 'test', DATABASE_URL: base.url, MASTER_KEY: masterKey } })

beforeAll(async () => {
  base = await createTestDatabase()
  servers = await startServers(2, { databaseUrl: base.url, env: { NODE_ENV: 'development', MASTER_KEY: masterKey } })
})
afterAll(async () => {
  await servers?.close()
  await base?.close()
})

type Listed = { kid: string; algorithm: string; state: string; next_state: string; next_at: string }
const listed = async (): Promise<Listed[]> => (await run('keys', 'list')).json().keys
const jwksAt = async ({ url }: StartedProcess) =>
  (await (await fetch(`${url}/jwks`)).json()) as { keys: { kid: string; alg: string }[] }
const everywhere = (check: (kids: string[]) => boolean) =>
  waitFor(
    async () => {
      const sets = await Promise.all(servers.servers.map(jwksAt))
      return sets.every(({ keys }) => check(keys.map(({ kid }) => kid)))
    },
    { timeoutMs: 3000, what: 'the change at every server' },
  )
const lastAudit = async () =>
  base.database.knex('audit_event').orderBy('sequence', 'desc').first('action', 'actor_type', 'subject_id', 'details')

test('list shows each key with its next state', async () => {
  const keys = await listed()
  expect(keys.map(({ algorithm }) => algorithm).sort()).toEqual(['ES256', 'EdDSA', 'RS256'])
  for (const { state, next_state: next, next_at: at } of keys) {
    expect([state, next]).toEqual(['active', 'retired'])
    expect(Date.parse(at)).toBeGreaterThan(Date.now() + 29 * 86_400_000)
  }
  const words = await runCommand(['keys', 'list'], {
    env: { NODE_ENV: 'test', DATABASE_URL: base.url, MASTER_KEY: masterKey },
  })
  expect(words.stdout).toContain(keys[0]!.kid)
})

test('rotate announces a key in every process, and reports when it will sign', async () => {
  const { changes } = (await run('keys', 'rotate', '--algorithm', 'ES256')).json()
  expect(changes).toMatchObject([{ algorithm: 'ES256', to: 'announced' }])
  const { kid } = changes[0]
  await everywhere((kids) => kids.includes(kid))
  expect((await listed()).find((key) => key.kid === kid)).toMatchObject({ state: 'announced', next_state: 'active' })
  expect(await lastAudit()).toMatchObject({
    action: 'key.created',
    actor_type: 'operator',
    subject_id: kid,
    details: { algorithm: 'ES256', to: 'announced' },
  })
  expect((await run('keys', 'rotate', '--algorithm', 'ES256')).json().changes).toEqual([])
})

test('retire is refused until clients can know the successor, and reports the time', async () => {
  const active = (await listed()).find((key) => key.algorithm === 'ES256' && key.state === 'active')!
  const refused = await run('keys', 'retire', active.kid)
  expect([refused.code, JSON.parse(refused.stderr).error.code]).toEqual([1, 'signing_key_successor_too_young'])
  const alone = (await listed()).find((key) => key.algorithm === 'EdDSA')!
  expect(JSON.parse((await run('keys', 'retire', alone.kid)).stderr).error.code).toBe('signing_key_without_successor')
  expect(JSON.parse((await run('keys', 'retire', 'nobody')).stderr).error.code).toBe('signing_key_not_found')
})

test('rotate --now signs with the new key at once, in every process; the old one stays published', async () => {
  const before = (await listed()).find((key) => key.algorithm === 'ES256' && key.state === 'active')!
  const { changes } = (await run('keys', 'rotate', '--algorithm', 'ES256', '--now')).json()
  expect(changes.map(({ to }: { to: string }) => to)).toEqual(['retired', 'active'])
  const demo = createDemo(servers)
  for (const at of servers.servers) {
    await waitFor(async () => {
      const { body } = await demo.machineToken(at, { resource: demoApi, scope: 'api:read' })
      return kidOf(body.access_token) === changes[1].kid
    })
  }
  await everywhere((kids) => kids.includes(before.kid) && kids.includes(changes[1].kid))
})

const kidOf = (jwt: string): string => JSON.parse(Buffer.from(jwt.split('.')[0]!, 'base64url').toString()).kid

test('a revoked key is removed from the JWKS and signs nothing in every process at once; its end is stored permanently', async () => {
  const demo = createDemo(servers)
  const [at] = servers.servers as [StartedProcess]
  const { body } = await demo.machineToken(at, { resource: demoApi, scope: 'api:read' })
  const kid = kidOf(body.access_token)
  const introspect = async (server: StartedProcess) => {
    const fields = new URLSearchParams({ token: body.access_token })
    const headers = { Authorization: demo.rp.basic('demo-machine', 'demo-machine-secret-for-development-only') }
    return (await fetch(`${server.url}/introspect`, { method: 'POST', body: fields, headers })).json()
  }
  expect(await introspect(at)).toMatchObject({ active: true })
  const revoked = await run('keys', 'revoke', kid, '--yes')
  expect(revoked.json().changes).toMatchObject([{ kid, to: 'revoked' }, { to: 'active' }])
  await everywhere((kids) => !kids.includes(kid))
  for (const server of servers.servers) {
    expect(await introspect(server)).toEqual({ active: false })
    const token = (await demo.machineToken(server, { resource: demoApi, scope: 'api:read' })).body.access_token
    expect(kidOf(token)).toBe(revoked.json().changes[1].kid)
    const keys = createLocalJWKSet((await jwksAt(server)) as never)
    await expect(jwtVerify(token, keys)).resolves.toBeDefined()
    await expect(jwtVerify(body.access_token, keys)).rejects.toThrow()
  }
  const { rows } = await base.database.knex.raw(
    'SELECT max(expires_at) AS until, max(ended_at) AS ended FROM artifact_end',
  )
  expect(rows[0]).toEqual({ until: Number.MAX_SAFE_INTEGER, ended: Number.MAX_SAFE_INTEGER })
  const actions = await base.database.knex('audit_event').where({ subject_id: kid }).orderBy('sequence').pluck('action')
  expect(actions.at(-1)).toBe('key.revoked')
})

test('a server that lacks an algorithm in use exits with code 78 and names the users of the algorithm', async () => {
  const lacking = await startServers(1, {
    databaseUrl: base.url,
    env: { NODE_ENV: 'development', MASTER_KEY: masterKey, SIGNING_ALGORITHMS: 'RS256,EdDSA' },
    isReadyAwaited: false,
  })
  const [server] = lacking.servers as [StartedProcess]
  expect((await server.exited).code).toBe(78)
  const lacks = sentence('errors.signing_algorithm_in_use', { algorithms: 'ES256', users: demoApi })
  expect(server.output()).toContain(sentence('server.startRefused', { sentence: lacks }))
  await lacking.close()
})

test('an algorithm that is not offered is reported', async () => {
  const refused = await run('keys', 'rotate', '--algorithm', 'ES512')
  expect(JSON.parse(refused.stderr).error).toMatchObject({ code: 'signing_algorithm_not_offered' })
})
