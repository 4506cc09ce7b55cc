/**
 * The API that introspects every token (RFC 7662): it accepts both formats, and sees a revocation
 * at once.
 */
import * as introspectingApi from '../../examples/introspecting-api/server.ts'
import type { Running } from '../../examples/listen.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { api as audience, createRelyingParty, startLatchkey, webSecret } from '../support/latchkey.ts'

const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const
const opaqueAudience = 'https://opaque.example/'
let server: Latchkey
let example: Running
let opaqueExample: Running

beforeAll(async () => {
  server = await startLatchkey()
  const clientId = 'demo-api'
  await server.addClient({ clientId, kind: 'machine', secret: webSecret, metadata: { client_name: 'Demo API' } })
  const scopes = [{ name: 'api:read' }, { name: 'api:write' }]
  const common = { name: 'Example API', scopes, introspectionClientIds: [clientId] }
  await server.parts.resourceServers.put({ ...common, identifier: audience }, operator)
  await server.parts.resourceServers.put({ ...common, identifier: opaqueAudience, tokenFormat: 'opaque' }, operator)
  const options = { issuer: server.issuer, port: 0, clientId, clientSecret: webSecret }
  example = await introspectingApi.start({ ...options, audience })
  opaqueExample = await introspectingApi.start({ ...options, audience: opaqueAudience })
})
afterAll(async () => {
  await Promise.all([example.close(), opaqueExample.close()])
  await server.stop()
})

async function takeToken(resource = audience, scope = 'api:read'): Promise<string> {
  const { token, basic } = createRelyingParty(server)
  const headers = { Authorization: basic('machine', webSecret) }
  return (await token({ grant_type: 'client_credentials', resource, scope }, headers)).body.access_token
}

async function ask(token: string | undefined, at: Running = example) {
  const headers: Record<string, string> = token === undefined ? {} : { Authorization: `Bearer ${token}` }
  const response = await fetch(at.url, { headers })
  return { status: response.status, challenge: response.headers.get('www-authenticate'), body: await response.json() }
}

test('a JWT and an opaque token are accepted by their own API only', async () => {
  const [jwt, opaque] = [await takeToken(), await takeToken(opaqueAudience)]
  expect(await ask(jwt)).toMatchObject({ status: 200, body: { client_id: 'machine' } })
  expect(await ask(opaque, opaqueExample)).toMatchObject({ status: 200, body: { client_id: 'machine' } })
  for (const [token, at] of [[opaque, example] as const, [jwt, opaqueExample] as const]) {
    expect(await ask(token, at)).toMatchObject({ status: 401, challenge: 'Bearer error="invalid_token"' })
  }
})

test('a missing token, a wrong one and one without the scope are refused (RFC 6750 §3.1)', async () => {
  expect(await ask(undefined)).toMatchObject({ status: 401, challenge: 'Bearer' })
  expect(await ask('wrong')).toMatchObject({ status: 401, challenge: 'Bearer error="invalid_token"' })
  expect(await ask(await takeToken(audience, 'api:write'))).toMatchObject({ status: 403 })
})

test('a revoked token is refused at the next request', async () => {
  const tokens = [await takeToken(), await takeToken(opaqueAudience)] as const
  await server.parts.revocation.revokeClient('machine', operator)
  expect(await ask(tokens[0])).toMatchObject({ status: 401 })
  expect(await ask(tokens[1], opaqueExample)).toMatchObject({ status: 401 })
})
