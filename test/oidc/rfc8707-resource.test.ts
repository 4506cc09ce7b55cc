/**
 * Resource indicators (RFC 8707): the API that a token is for, and the clients that may request it.
 */
import type { Latchkey } from '../support/latchkey.ts'
import { api, createRelyingParty, startLatchkey, webSecret } from '../support/latchkey.ts'
import { verify } from './support.ts'

let server: Latchkey
let rp: ReturnType<typeof createRelyingParty>
const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const
const closed = 'https://closed.example/'

beforeAll(async () => {
  server = await startLatchkey()
  rp = createRelyingParty(server)
  const { resourceServers, clients } = server.parts
  await clients.add(
    {
      clientId: 'stranger',
      kind: 'machine',
      secret: webSecret,
      metadata: { client_name: 'Stranger', scope: 'other:read' },
    },
    operator,
  )
  await resourceServers.put(
    {
      identifier: closed,
      name: 'Closed',
      scopes: [{ name: 'api:read' }],
      allowedClientIds: ['web'],
      tokenFormat: 'opaque',
      tokenLifetimeSeconds: 300,
    },
    operator,
  )
})
afterAll(() => server.stop())

const machine = (clientId: string, fields: Record<string, string>) =>
  rp.token({ grant_type: 'client_credentials', ...fields }, { Authorization: rp.basic(clientId, webSecret) })

test.each([
  'https://unknown.example/',
  'api',
  'https://api.example/#x',
  'javascript:alert(1)',
  '\u0000',
  `https://api.example/${'x'.repeat(3000)}`,
])('an unknown or malformed resource is invalid_target, at both endpoints: %j', async (resource) => {
  const answer = await machine('machine', { resource, scope: 'api:read' })
  expect(answer.status).toBe(400)
  const page = await rp.browser.get(await rp.authorizeUrl({ resource, scope: 'openid api:read' }))
  expect(page.status).toBeLessThan(500)
  if (resource.startsWith('https://unknown')) expect(answer.body.error).toBe('invalid_target')
})

test('a client without any scope of an API gets invalid_target for it', async () => {
  expect(await machine('stranger', { resource: api })).toMatchObject({ status: 400, body: { error: 'invalid_target' } })
  expect(await machine('stranger', { resource: api, scope: 'api:read' })).toMatchObject({
    status: 400,
    body: { error: 'invalid_target' },
  })
})

test('a scope of the API that the client is not entitled to is invalid_scope', async () => {
  const page = await rp.browser.get(await rp.authorizeUrl({ resource: api, scope: 'openid api:read api:write' }))
  expect(new URL(page.next!).searchParams.get('error')).toBe('invalid_scope')
})

test('an API with a list of allowed clients refuses other clients, whatever their scope', async () => {
  expect(await machine('machine', { resource: closed, scope: 'api:read' })).toMatchObject({
    status: 400,
    body: { error: 'invalid_target' },
  })
})

test('a user’s token for an API is a JWT for that audience, beside the opaque one for userinfo', async () => {
  const { code } = await rp.authorize({ scope: 'openid profile api:read', resource: api })
  const first = (await rp.exchange(code!)).body
  expect(first.access_token).not.toContain('.')
  expect((await rp.userinfo(first.access_token)).status).toBe(200)
  const turned = (await rp.refresh(first.refresh_token, { resource: api })).body
  const claims = await verify(server, turned.access_token, { audience: api, typ: 'at+jwt' })
  expect(claims).toMatchObject({ client_id: 'web', scope: 'api:read', aud: api })
  expect(Object.keys(claims).filter((claim) => ['name', 'email', 'roles', 'profile'].includes(claim))).toEqual([])
  expect((await rp.userinfo(turned.access_token)).status).toBe(401)
})

test('an API is the same with and without its last slash, and aud is as registered', async () => {
  const bare = api.replace(/\/$/, '')
  const { body } = await machine('machine', { resource: bare, scope: 'api:read' })
  expect(await verify(server, body.access_token, { typ: 'at+jwt' })).toMatchObject({ aud: api })

  const { code } = await rp.authorize({ scope: 'openid api:read', resource: bare })
  const tokens = await rp.exchange(code!, { resource: api })
  expect(await verify(server, tokens.body.access_token)).toMatchObject({ aud: api, scope: 'api:read' })
  const turned = await rp.refresh(tokens.body.refresh_token, { resource: bare })
  expect(await verify(server, turned.body.access_token)).toMatchObject({ aud: api, scope: 'api:read' })
})

test('an opaque token of an API has that API’s lifetime and is refused by userinfo', async () => {
  const { code } = await rp.authorize({ scope: 'openid api:read', resource: closed })
  const { body } = await rp.exchange(code!, { resource: closed })
  expect(body).toMatchObject({ expires_in: 300, scope: 'api:read' })
  expect(body.access_token).not.toContain('.')
  expect([401, 403]).toContain((await rp.userinfo(body.access_token)).status)
})

test('one authorization may cover several APIs, and each token has one audience', async () => {
  const url = new URL(await rp.authorizeUrl({ scope: 'openid api:read', resource: api }))
  url.searchParams.append('resource', closed)
  const { code } = await rp.complete(await rp.browser.get(url.href))
  const one = await rp.exchange(code!, { resource: api })
  expect(await verify(server, one.body.access_token)).toMatchObject({ aud: api })
  const other = await rp.refresh(one.body.refresh_token, { resource: closed })
  expect(other).toMatchObject({ status: 200, body: { expires_in: 300 } })
})
