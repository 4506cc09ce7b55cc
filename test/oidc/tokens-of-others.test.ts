/**
 * Introspection (RFC 7662), revocation (RFC 7009) and userinfo (OpenID Connect Core 1.0 §5.3) with
 * tokens of other clients.
 */
import type { Latchkey } from '../support/latchkey.ts'
import { api, createRelyingParty, startLatchkey, webSecret } from '../support/latchkey.ts'
import { minutes, signedIn } from './support.ts'

let server: Latchkey
let rp: Awaited<ReturnType<typeof signedIn>>

beforeAll(async () => {
  server = await startLatchkey()
})
beforeEach(async () => {
  rp = await signedIn(server, { scope: 'openid email offline_access' })
})
afterAll(() => server.stop())

const as = (clientId: string) => ({ Authorization: rp.basic(clientId, webSecret) })
const introspect = (token: string, headers = as('web')) => rp.call('/introspect', { token }, headers)
const revoke = (token: string, headers = as('web')) => rp.call('/revoke', { token }, headers)

describe('introspection (RFC 7662)', () => {
  test('returns the metadata of a token to its client (§2.2)', async () => {
    const { body, headers } = await introspect(rp.tokens.access_token)
    expect(body).toMatchObject({
      active: true,
      client_id: 'web',
      iss: server.issuer,
      scope: 'openid email offline_access',
      token_type: 'Bearer',
      sub: expect.any(String),
    })
    expect(headers.get('Cache-Control')).toContain('no-store')
    expect((await introspect(rp.tokens.refresh_token)).body).toMatchObject({ active: true, client_id: 'web' })
  })

  test('returns exactly active: false to another client (§4)', async () => {
    for (const token of [rp.tokens.access_token, rp.tokens.refresh_token]) {
      expect((await introspect(token, as('machine'))).body).toEqual({ active: false })
    }
  })

  test('refuses a request without authentication with 401, and reveals nothing to a public client', async () => {
    expect((await rp.call('/introspect', { token: rp.tokens.access_token })).status).toBe(401)
    const asSpa = await rp.call('/introspect', { token: rp.tokens.access_token, client_id: 'spa' })
    expect(asSpa.body).not.toMatchObject({ active: true })
  })

  test.each(['x', '', '\u0000', '💥'])(
    'a string that is not a token is not active or a bad request: %j',
    async (token) => {
      const { status, body } = await introspect(token)
      expect(status).toBeLessThan(500)
      expect(body.active ?? false).toBe(false)
    },
  )

  test('an expired, a cut off and a revoked token are not active', async () => {
    expect((await introspect(rp.tokens.access_token.slice(0, -1))).body).toEqual({ active: false })
    const other = await signedIn(server)
    await revoke(other.tokens.access_token)
    expect((await introspect(other.tokens.access_token)).body).toEqual({ active: false })
    server.clock.advance(minutes(10))
    expect((await introspect(rp.tokens.access_token)).body).toEqual({ active: false })
  })
})

describe('revocation (RFC 7009)', () => {
  test('the revocation of a refresh token ends its family; an unknown token is answered 200 as well (§2.1, §2.2)', async () => {
    expect((await revoke(rp.tokens.refresh_token)).status).toBe(200)
    expect(await rp.refresh(rp.tokens.refresh_token)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
    expect((await rp.userinfo(rp.tokens.access_token)).status).toBe(401)
    expect((await revoke('unknown')).status).toBe(200)
  })

  test('a request of another client is answered 200 and changes nothing', async () => {
    expect((await revoke(rp.tokens.refresh_token, as('machine'))).status).toBe(200)
    expect((await revoke(rp.tokens.access_token, as('machine'))).status).toBe(200)
    expect((await rp.userinfo(rp.tokens.access_token)).status).toBe(200)
    expect((await rp.refresh(rp.tokens.refresh_token)).status).toBe(200)
  })

  test('a public client may revoke its own token', async () => {
    const spa = { client_id: 'spa', redirect_uri: 'https://spa.example/callback' }
    const page = createRelyingParty(server)
    const { code } = await page.authorize({ ...spa, scope: 'openid' })
    const tokens = (await page.exchange(code!, spa)).body
    expect((await page.call('/revoke', { token: tokens.refresh_token, client_id: 'spa' })).status).toBe(200)
    expect((await page.refresh(tokens.refresh_token, { client_id: 'spa' })).status).toBe(400)
  })
})

describe('userinfo (OpenID Connect Core 1.0 §5.3)', () => {
  test('gives the claims of the token’s scope, by GET and by POST', async () => {
    const { body } = await rp.userinfo(rp.tokens.access_token)
    expect(body).toEqual({ sub: expect.any(String), email: 'alice@example.com', email_verified: true })
    const posted = await rp.call('/userinfo', { access_token: rp.tokens.access_token })
    expect(posted.body).toEqual(body)
  })

  test('refuses other tokens with 401 and invalid_token in WWW-Authenticate (RFC 6750 §3)', async () => {
    const { body } = await rp.token(
      { grant_type: 'client_credentials', resource: api, scope: 'api:read' },
      as('machine'),
    )
    const opaque = await rp.token({ grant_type: 'client_credentials' }, as('machine'))
    for (const token of [
      'x',
      rp.tokens.id_token,
      rp.tokens.refresh_token,
      body.access_token,
      opaque.body.access_token,
      rp.tokens.access_token.slice(1),
    ]) {
      const { status, headers } = await rp.userinfo(token)
      expect([token, status]).toEqual([token, 401])
      expect(headers.get('WWW-Authenticate')).toMatch(/^Bearer .*error="invalid_token"/)
    }
  })

  test('refuses a token in the query, and two tokens in one request (RFC 6750 §2)', async () => {
    const { access_token: token } = rp.tokens
    expect((await fetch(`${server.issuer}/userinfo?access_token=${token}`)).status).toBe(400)
    const both = await rp.call('/userinfo', { access_token: token }, { Authorization: `Bearer ${token}` })
    expect(both.status).toBe(400)
  })
})
