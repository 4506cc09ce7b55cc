/** JWT access tokens (RFC 9068), their introspection (RFC 7662) and their revocation (RFC 7009). */
import { createSecretKey, generateKeyPairSync } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader, SignJWT } from 'jose'
import type { Latchkey } from '../support/latchkey.ts'
import { api, callback, createRelyingParty, startLatchkey, webSecret } from '../support/latchkey.ts'
import { claimsIn, minutes, verify } from './support.ts'

let server: Latchkey
let rp: ReturnType<typeof createRelyingParty>
const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const

beforeAll(async () => {
  server = await startLatchkey()
  await server.addClient({
    clientId: 'api-server',
    kind: 'machine',
    secret: webSecret,
    metadata: { client_name: 'The API itself' },
  })
  await server.parts.resourceServers.put(
    {
      identifier: api,
      name: 'Example API',
      scopes: [{ name: 'api:read' }, { name: 'api:write' }],
      introspectionClientIds: ['api-server'],
    },
    operator,
  )
  await server.parts.resourceServers.put(
    {
      identifier: 'https://opaque.example',
      name: 'Opaque API',
      scopes: [{ name: 'api:read' }],
      tokenFormat: 'opaque',
      introspectionClientIds: ['api-server'],
    },
    operator,
  )
})
beforeEach(() => {
  rp = createRelyingParty(server)
})
afterEach(() => server.clock.advance(1))
afterAll(() => server.stop())

const as = (clientId: string) => ({ Authorization: rp.basic(clientId, webSecret) })
const introspect = async (token: string, clientId = 'api-server') =>
  (await rp.call('/introspect', { token }, as(clientId))).body
const revoke = (token: string, clientId = 'web') => rp.call('/revoke', { token }, as(clientId))
const inactive = { active: false }

const ofMachine = async (fields: Record<string, string> = {}): Promise<string> =>
  (await rp.token({ grant_type: 'client_credentials', resource: api, scope: 'api:read', ...fields }, as('machine')))
    .body.access_token

/** Alice's JWT for the API at the client `web`, with the whole token response. */
async function ofPerson({ scope = 'openid api:read', resource = api } = {}) {
  const { code } = await rp.authorize({ scope, resource })
  return (await rp.exchange(code!, { resource })).body
}

describe('the claims of a JWT access token (RFC 9068 §2.2)', () => {
  test('of a machine: exactly these claims', async () => {
    const token = await ofMachine()
    expect(decodeProtectedHeader(token)).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: expect.any(String) })
    const now = Math.floor(server.clock.now() / 1000)
    expect(decodeJwt(token)).toEqual({
      iss: server.issuer,
      sub: 'machine',
      aud: api,
      client_id: 'machine',
      iat: now,
      exp: now + 600,
      jti: expect.any(String),
      scope: 'api:read',
    })
    await verify(server, token)
  })

  test('of a user: exactly these claims, also after a refresh; no name, email or roles', async () => {
    const first = await ofPerson({ scope: 'openid profile email roles offline_access api:read' })
    const refreshed = (await rp.refresh(first.refresh_token, { resource: api })).body
    for (const token of [first.access_token, refreshed.access_token]) {
      expect(claimsIn(token)).toEqual({
        iss: server.issuer,
        sub: expect.stringMatching(/^[0-9a-f-]{36}$/),
        aud: api,
        client_id: 'web',
        iat: expect.any(Number),
        exp: expect.any(Number),
        jti: expect.any(String),
        scope: 'api:read',
        auth_time: expect.any(Number),
        acr: 'urn:latchkey:acr:password',
        amr: ['pwd'],
      })
    }
  })

  test('the jti is different in each token and does not contain the time', async () => {
    const tokens = await Promise.all([ofMachine(), ofMachine()])
    const [one, other] = tokens.map((token) => String(decodeJwt(token).jti))
    expect(one).not.toBe(other)
    const bytes = Buffer.from(one!, 'base64url')
    const moment = Buffer.alloc(6)
    moment.writeUIntBE(server.clock.now(), 0, 6)
    expect(bytes.includes(moment.subarray(0, 5))).toBe(false)
  })
})

describe('introspection of a JWT (RFC 7662)', () => {
  test('gives the claims to the client of the token and to the introspecting client of its API (§2.2)', async () => {
    const token = await ofMachine()
    const told = { active: true, ...decodeJwt(token), token_type: 'Bearer' }
    expect(await introspect(token)).toEqual(told)
    expect(await introspect(token, 'machine')).toEqual(told)
    const { access_token: own } = await ofPerson()
    expect(await introspect(own, 'web')).toMatchObject({ active: true, sub: decodeJwt(own).sub, client_id: 'web' })
  })

  test('gives every other client exactly active: false, and refuses requests without authentication (§4)', async () => {
    expect(await introspect(await ofMachine(), 'web')).toEqual(inactive)
    const { access_token: token } = await ofPerson()
    expect(await introspect(token, 'machine')).toEqual(inactive)
    const asPublic = await rp.call('/introspect', { token, client_id: 'spa' })
    expect(asPublic.body).not.toMatchObject({ active: true })
    expect((await rp.call('/introspect', { token })).status).toBe(401)
  })

  test('an opaque token of an API is active for the API and its client, one for userinfo is not active for the API', async () => {
    const resource = 'https://opaque.example'
    const opaque = await ofMachine({ resource })
    expect(opaque).not.toContain('.')
    expect(await introspect(opaque)).toMatchObject({ active: true, aud: resource, client_id: 'machine' })
    expect(await introspect(opaque, 'web')).toEqual(inactive)
    const { access_token: token } = await rp.signIn()
    expect(await introspect(token)).toEqual(inactive)
    expect(await introspect(token, 'web')).toMatchObject({ active: true })
  })

  test('of an expired one: not active', async () => {
    const token = await ofMachine()
    server.clock.advance(minutes(10) - 1000)
    expect(await introspect(token)).toMatchObject({ active: true })
    server.clock.advance(1000)
    expect(await introspect(token)).toEqual(inactive)
  })

  test('of an ID token, a foreign JWT or a cut one: not active, and 200', async () => {
    const { id_token: idToken, access_token: token } = await ofPerson()
    for (const other of [idToken, token.slice(0, -1), `${token}x`, `${token}.x.y`]) {
      const { status, body } = await rp.call('/introspect', { token: other }, as('web'))
      expect([status, body]).toEqual([200, inactive])
    }
  })
})

describe('a JWT that differs from what this server issues (RFC 8725 §3)', () => {
  const parts = (token: string) => ({ header: decodeProtectedHeader(token), payload: decodeJwt(token) })

  /** Signs the same claims with the server's own key and another header. */
  async function resigned(token: string, header: Record<string, unknown>, payload: Record<string, unknown> = {}) {
    const own = parts(token)
    const jwk = server.parts.keyRing.current().privateJwks.find(({ kid }) => kid === own.header.kid)!
    return new SignJWT({ ...own.payload, ...payload })
      .setProtectedHeader({ ...own.header, ...header } as never)
      .sign(await crypto.subtle.importKey('jwk', jwk as never, { name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign']))
  }

  test('with the original header and claims, signed again, is active: the next cases are refused for their content', async () => {
    expect(await introspect(await resigned(await ofMachine(), {}))).toMatchObject({ active: true })
  })

  test.each([
    ['jwk', { jwk: { kty: 'EC' } }],
    ['jku', { jku: 'https://evil.example/jwks' }],
    ['x5u', { x5u: 'https://evil.example/cert' }],
    ['x5c', { x5c: ['MIIB'] }],
    ['typ JWT', { typ: 'JWT' }],
    ['typ logout+jwt', { typ: 'logout+jwt' }],
    ['no typ', { typ: undefined }],
    ['another kid', { kid: 'unknown' }],
    ['no kid', { kid: undefined }],
  ])('with %s in the header is not active', async (_case, header) => {
    expect(await introspect(await resigned(await ofMachine(), header))).toEqual(inactive)
  })

  test('with an unknown critical extension is not active (RFC 7515 §4.1.11)', async () => {
    const token = await ofMachine()
    const { header, payload } = parts(token)
    const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const crit = `${encoded({ ...header, crit: ['x'], x: 1 })}.${encoded(payload)}.${token.split('.')[2]}`
    expect(await introspect(crit)).toEqual(inactive)
  })

  test.each([
    ['iss', { iss: 'https://evil.example' }],
    ['aud a list', { aud: [api, 'https://other.example'] }],
    ['no jti', { jti: undefined }],
    ['no exp', { exp: undefined }],
    ['a jti that seals nothing', { jti: 'from-before-the-seal' }],
    ['another client', { client_id: 'web', sub: 'web' }],
  ])('with %s is not active', async (_case, payload) => {
    for (const clientId of ['api-server', 'machine', 'web']) {
      expect(await introspect(await resigned(await ofMachine(), {}, payload), clientId)).toEqual(inactive)
    }
  })

  test('with the jti of another token is not active', async () => {
    const jti = decodeJwt((await ofPerson()).access_token).jti
    expect(await introspect(await resigned(await ofMachine(), {}, { jti }))).toEqual(inactive)
  })

  test('alg none, and an HMAC over the public key, are not active', async () => {
    const token = await ofMachine()
    const { header, payload } = parts(token)
    const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
    expect(await introspect(`${encoded({ ...header, alg: 'none' })}.${encoded(payload)}.`)).toEqual(inactive)
    const publicJwk = server.parts.keyRing.current().publicJwks.find(({ kid }) => kid === header.kid)!
    const hmac = await new SignJWT(payload)
      .setProtectedHeader({ ...header, alg: 'HS256' } as never)
      .sign(createSecretKey(Buffer.from(JSON.stringify(publicJwk))))
    expect(await introspect(hmac)).toEqual(inactive)
  })

  test('signed with a foreign key under our kid is not active', async () => {
    const token = await ofMachine()
    const { header, payload } = parts(token)
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    expect(await introspect(await new SignJWT(payload).setProtectedHeader(header as never).sign(privateKey))).toEqual(
      inactive,
    )
  })
})

describe('a revoked JWT is inactive at once', () => {
  const isActive = async (token: string): Promise<boolean> => (await introspect(token)).active

  test('by its client at the revocation endpoint, this token and no other (RFC 7009 §2.1)', async () => {
    const { access_token: token, refresh_token: refreshToken } = await ofPerson()
    const { access_token: other } = (await rp.refresh(refreshToken, { resource: api })).body
    expect((await revoke(token)).status).toBe(200)
    expect([await isActive(token), await isActive(other)]).toEqual([false, true])
    expect((await revoke(token)).status).toBe(200)
  })

  test('another client’s request is answered 200 and changes nothing', async () => {
    const { access_token: token } = await ofPerson()
    for (const clientId of ['machine', 'api-server']) expect((await revoke(token, clientId)).status).toBe(200)
    expect((await rp.call('/revoke', { token, client_id: 'spa' })).status).toBe(200)
    expect(await isActive(token)).toBe(true)
  })

  test('the revocation of an opaque access token ends this token alone; that of a refresh token ends its family, with its JWTs', async () => {
    const tokens = await rp.signIn({ scope: 'openid api:read', resource: api })
    await revoke(tokens.access_token)
    expect((await rp.userinfo(tokens.access_token)).status).toBe(401)
    const next = (await rp.refresh(tokens.refresh_token, { resource: api })).body
    expect(await isActive(next.access_token)).toBe(true)
    await revoke(next.refresh_token)
    expect(await isActive(next.access_token)).toBe(false)
  })

  test('with its session, except with offline access', async () => {
    const online = (await ofPerson()).access_token
    const offline = await ofPerson({ scope: 'openid offline_access api:read' })
    const narrowed = (await rp.refresh(offline.refresh_token, { resource: api, scope: 'api:read' })).body
    const { sessions } = await server.parts.revocation.listAccess(String(decodeJwt(online).sub))
    await Promise.all(sessions.map(({ handle }) => server.parts.revocation.revokeSession(handle, operator)))
    expect([
      await isActive(online),
      await isActive(offline.access_token),
      await isActive(narrowed.access_token),
    ]).toEqual([false, true, true])
  })

  test('with its grant', async () => {
    const { access_token: token } = await ofPerson()
    const { grants } = await server.parts.revocation.listAccess(String(decodeJwt(token).sub))
    await server.parts.revocation.revokeGrant(grants[0]!.handle, operator)
    expect(await isActive(token)).toBe(false)
  })

  test('with the user’s consent to the client, which then needs a new consent; tokens of other clients stay valid', async () => {
    const { access_token: token, refresh_token: refreshToken } = await ofPerson()
    const spa = { client_id: 'spa', redirect_uri: 'https://spa.example/callback' }
    const { code } = await rp.authorize({ ...spa, scope: 'openid api:read', resource: api })
    const other = (await rp.exchange(code!, { ...spa, resource: api })).body
    await server.parts.revocation.revokeConsent(String(decodeJwt(token).sub), 'web', operator)
    expect([await isActive(token), await isActive(other.access_token)]).toEqual([false, true])
    expect(await rp.refresh(refreshToken)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
    const page = await rp.browser.follow(await rp.browser.get(await rp.authorizeUrl({ scope: 'openid api:read' })))
    expect(page.body).toContain('/consent"')
  })

  test('when its user is signed out everywhere, disabled or gets a new password, and stays so when the account is enabled again', async () => {
    const { revocation, accounts } = server.parts
    const id = String(decodeJwt((await ofPerson()).access_token).sub)
    const endings = [
      () => revocation.revokeAccount(id, operator),
      () => accounts.disable(id, operator),
      () => accounts.setPassword(id, 'another tea party', operator),
      () => accounts.setPassword(id, 'wonderland tea party', operator),
    ]
    for (const end of endings) {
      rp = createRelyingParty(server)
      // The last ending finds the password of the one before.
      const person = end === endings[3] ? { password: 'another tea party' } : undefined
      const { code } = await rp.authorize({ scope: 'openid offline_access api:read', resource: api }, person)
      const { access_token: token } = (await rp.exchange(code!, { resource: api })).body
      expect(await isActive(token)).toBe(true)
      await end()
      expect(await isActive(token)).toBe(false)
      server.clock.advance(1)
      await accounts.enable(id, operator)
      expect(await isActive(token)).toBe(false)
      server.clock.advance(1)
    }
  })

  test('when all tokens of its client are revoked, and the client at once gets a new valid token', async () => {
    const token = await ofMachine()
    await server.parts.revocation.revokeClient('machine', operator)
    expect(await isActive(token)).toBe(false)
    server.clock.advance(1)
    expect(await isActive(await ofMachine())).toBe(true)
  })

  test('when its client is disabled, and stays so when the client is enabled again', async () => {
    const token = await ofMachine()
    await server.parts.clients.disable('machine', operator)
    expect(await isActive(token)).toBe(false)
    server.clock.advance(1)
    await server.parts.clients.enable('machine', operator)
    expect(await isActive(token)).toBe(false)
    server.clock.advance(1)
    expect(await isActive(await ofMachine())).toBe(true)
  })

  test('a grant that a request in flight stores while its user or client is disabled is not valid after they are enabled again', async () => {
    const { accounts, clients, artifacts } = server.parts
    const id = String(decodeJwt((await ofPerson()).access_token).sub)
    const grants = artifacts.adapter('Grant')
    const leave = (grantId: string) => grants.upsert(grantId, { accountId: id, clientId: 'web' } as never, 3600)
    await accounts.disable(id, operator)
    await leave('of the person')
    await accounts.enable(id, operator)
    expect(await grants.find('of the person')).toBeUndefined()
    await clients.disable('web', operator)
    await leave('of the client')
    await clients.enable('web', operator)
    expect(await grants.find('of the client')).toBeUndefined()
  })

  test('when the key that signed it is revoked', async () => {
    const token = await ofMachine()
    const { kid } = decodeProtectedHeader(token)
    await server.database.transaction((tx) => server.parts.artifacts.endSigningKey(tx, String(kid)))
    expect(await isActive(token)).toBe(false)
    await server.database.knex('artifact_end').delete()
    expect(await isActive(token)).toBe(true)
  })

  test('with everything issued up to a time: a token of that millisecond ends, a later one does not', async () => {
    const before = await ofMachine()
    const moment = server.clock.now()
    server.clock.advance(1)
    const after = await ofMachine()
    await server.parts.revocation.revokeAll(moment, operator)
    expect([await isActive(before), await isActive(after)]).toEqual([false, true])
    await expect(server.parts.revocation.revokeAll(server.clock.now() + 1, operator)).rejects.toMatchObject({
      code: 'moment_refused',
    })
  })
})

describe('a default resource (RFC 8707 §2)', () => {
  test('gives a client that cannot send `resource` the API’s token, and its ID token the claims that userinfo would give', async () => {
    await server.addClient({
      clientId: 'old-library',
      kind: 'web',
      secret: webSecret,
      metadata: {
        client_name: 'Old Library',
        redirect_uris: [callback],
        scope: 'openid email api:read',
        default_resource: 'https://api.example',
      },
    })
    const client = { client_id: 'old-library', client_secret: webSecret }
    const { code } = await rp.authorize({ client_id: 'old-library', scope: 'openid email api:read' })
    const first = (await rp.exchange(code!, client)).body
    const second = (await rp.refresh(first.refresh_token, client)).body
    for (const { access_token: token, id_token: idToken } of [first, second]) {
      expect(decodeJwt(token)).toMatchObject({ aud: api, scope: 'api:read' })
      expect(claimsIn(idToken)).toMatchObject({ email: 'alice@example.com' })
      expect((await rp.userinfo(token)).status).toBe(401)
    }
  })

  test('applies to client_credentials, and an explicit `resource` has priority', async () => {
    await server.addClient({
      clientId: 'robot',
      kind: 'machine',
      secret: webSecret,
      metadata: { client_name: 'Robot', scope: 'api:read', default_resource: api },
    })
    const ask = async (fields: Record<string, string>) =>
      (await rp.token({ grant_type: 'client_credentials', scope: 'api:read', ...fields }, as('robot'))).body
    expect(decodeJwt((await ask({})).access_token)).toMatchObject({ aud: api })
    expect((await ask({ resource: 'https://opaque.example' })).access_token).not.toContain('.')
  })
})
