/** The token endpoint (RFC 6749): client authentication, each grant, and the standard's errors. */
import { decodeProtectedHeader } from 'jose'
import { accountClientId } from '../../src/account/client.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { api, callback, createRelyingParty, startLatchkey, webSecret } from '../support/latchkey.ts'
import { claimsIn, verify } from './support.ts'

let server: Latchkey
let rp: ReturnType<typeof createRelyingParty>

beforeAll(async () => {
  server = await startLatchkey()
  rp = createRelyingParty(server)
})
afterAll(() => server.stop())

const machine = (fields: Record<string, string> = {}) =>
  rp.token({ grant_type: 'client_credentials', ...fields }, { Authorization: rp.basic('machine', webSecret) })

test('an error is JSON, also for a client that prefers a page, as Java does by default (§5.2)', async () => {
  const Accept = 'text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2'
  for (const path of ['/token', '/introspect', '/revoke', '/userinfo']) {
    const body = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: 'nobody',
      client_secret: webSecret,
    })
    const answer = await fetch(`${server.base}${path}`, { method: 'POST', headers: { Accept }, body })
    expect([path, answer.headers.get('Content-Type')]).toEqual([path, 'application/json; charset=utf-8'])
    expect(await answer.json()).toHaveProperty('error')
  }
  const tooLarge = await fetch(`${server.base}/token`, {
    method: 'POST',
    headers: { Accept },
    body: new URLSearchParams({ code: 'x'.repeat(60_000) }),
  })
  expect([tooLarge.status, tooLarge.headers.get('Content-Type')]).toEqual([413, 'application/json; charset=utf-8'])
})

describe('client authentication (§2.3)', () => {
  const fields = { grant_type: 'client_credentials' }

  test('in the header and in the body are both accepted', async () => {
    expect(await machine()).toMatchObject({ status: 200 })
    expect(await rp.token({ ...fields, client_id: 'machine', client_secret: webSecret })).toMatchObject({ status: 200 })
  })

  test('in the header and in the body at the same time is refused', async () => {
    const answer = await rp.token(
      { ...fields, client_id: 'machine', client_secret: webSecret },
      { Authorization: rp.basic('machine', webSecret) },
    )
    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_request' } })
  })

  test.each([
    ['a wrong secret', 'machine', 'a wrong secret of more than thirty-two characters'],
    ['an empty secret', 'machine', ''],
    ['an unknown client', 'nobody', webSecret],
    ['what stands in the engine in place of the secret', 'machine', 'kept as a keyed digest only'],
  ])('%s is refused', async (_case, clientId, secret) => {
    const answer = await rp.token(fields, { Authorization: rp.basic(clientId, secret) })
    expect([400, 401]).toContain(answer.status)
    expect(answer.body.error).toBe(secret === '' ? 'invalid_request' : 'invalid_client')
    expect(answer.body).not.toHaveProperty('access_token')
  })

  test('a confidential client without its secret is refused, and so is a public client with a secret', async () => {
    expect(await rp.token({ ...fields, client_id: 'machine' })).toMatchObject({
      status: 401,
      body: { error: 'invalid_client' },
    })
    const answer = await rp.token({
      grant_type: 'refresh_token',
      refresh_token: 'x',
      client_id: 'spa',
      client_secret: webSecret,
    })
    expect(answer).toMatchObject({ status: 401, body: { error: 'invalid_client' } })
  })

  test.each(['/token', '/introspect', '/revoke'])(
    'a request without any is invalid_client, with a challenge (§5.2): %s',
    async (path) => {
      const answer = await rp.call(path, { grant_type: 'client_credentials', token: 'x' })
      expect(answer).toMatchObject({ status: 401, body: { error: 'invalid_client' } })
      expect(answer.headers.get('WWW-Authenticate')).toBe(`Basic realm="${server.issuer}"`)
    },
  )

  test('an unsigned client assertion is refused', async () => {
    const answer = await rp.token({
      ...fields,
      client_id: 'machine',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{"sub":"machine","iss":"machine"}').toString('base64url')}.`,
    })
    expect(answer).toMatchObject({ status: 401, body: { error: 'invalid_client' } })
  })
})

describe('a redeemed code that is presented again (§4.1.2, §10.5)', () => {
  type Fields = Record<string, string>
  const without = ({ redirect_uri: _left, ...fields }: Fields): Fields => fields
  const cases: [string, (fields: Fields) => Fields, Fields?][] = [
    ['by its client', (fields) => fields],
    ['with a redirect URI that is not registered', (fields) => ({ ...fields, redirect_uri: 'https://evil.example/' })],
    ['without a redirect URI', without],
    ['with another verifier', (fields) => ({ ...fields, code_verifier: 'x'.repeat(43) })],
    ['for an API that is not there', (fields) => ({ ...fields, resource: 'https://nowhere.example/' })],
    ['with a proof that proves nothing', (fields) => fields, { DPoP: 'nothing' }],
  ]
  /** The engine reads a code before it looks up the API, so such a request spends the code. */
  const spending: ReadonlySet<string> = new Set(['by its client', 'for an API that is not there'])
  const publicCases: [string, Fields][] = [
    ['a public client', { client_id: 'spa' }],
    ['a public client with its own redirect URI', { client_id: 'spa', redirect_uri: 'https://spa.example/callback' }],
    ['the client of our pages', { client_id: accountClientId }],
  ]

  async function redeemed() {
    const party = createRelyingParty(server)
    const { code = '' } = await party.authorize()
    const fields = { grant_type: 'authorization_code', code, redirect_uri: callback, code_verifier: party.verifier }
    return { party, code, fields }
  }

  /**
   * Expects a refusal that revokes the first use's tokens. `leavesCode`: an unused code is kept.
   */
  async function proves(present: (fields: Fields) => Promise<{ status: number }>, leavesCode: boolean) {
    if (leavesCode) {
      const { party, code, fields } = await redeemed()
      expect((await present(fields)).status).toBe(400)
      expect((await party.exchange(code)).status).toBe(200)
    }
    const { party, code, fields } = await redeemed()
    const { access_token: token, refresh_token: refreshToken } = (await party.exchange(code)).body
    expect((await present(fields)).status).toBe(400)
    expect((await party.userinfo(token)).status).toBe(401)
    expect((await party.refresh(refreshToken)).body.error).toBe('invalid_grant')
  }

  test.each(cases)('%s ends the tokens of the first use', async (name, change, headers = {}) => {
    const own = { Authorization: rp.basic('web', webSecret), ...headers }
    await proves((fields) => rp.token(change(fields), own), !spending.has(name))
  })

  test.each(publicCases)('by %s ends the tokens of the first use', async (_name, change) => {
    await proves((fields) => rp.token({ ...fields, ...change }), true)
  })
})

describe('client_credentials (§4.4)', () => {
  test('without a resource gives an opaque token for ten minutes, and no refresh token', async () => {
    const { status, headers, body } = await machine()
    expect(status).toBe(200)
    expect(headers.get('Cache-Control')).toBe('no-store')
    expect(body).toEqual({ access_token: expect.stringMatching(/^[\w-]{43}$/), expires_in: 600, token_type: 'Bearer' })
  })

  test('for a resource gives a JWT of RFC 9068, with only the claims that the API needs', async () => {
    const { body } = await machine({ resource: api, scope: 'api:read' })
    const token = body.access_token as string
    expect(decodeProtectedHeader(token)).toMatchObject({ alg: 'ES256', typ: 'at+jwt', kid: expect.any(String) })
    const claims = await verify(server, token, { audience: api, typ: 'at+jwt' })
    expect(Object.keys(claims).sort()).toEqual(['aud', 'client_id', 'exp', 'iat', 'iss', 'jti', 'scope', 'sub'])
    expect(claims).toMatchObject({ sub: 'machine', client_id: 'machine', scope: 'api:read' })
    expect(claims.exp! - claims.iat!).toBe(600)
  })

  test.each(['openid', 'profile', 'offline_access', 'api:read openid'])(
    'scope=%j is refused, because a machine acts for no user',
    async (scope) => {
      const answer = await machine({ scope })
      expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_scope' } })
    },
  )

  test.each([
    ['an unknown one', { scope: 'unknown:scope' }],
    ['an unknown one of an API', { scope: 'unknown:scope', resource: api }],
    ['one of an API that is not named', { scope: 'api:read' }],
  ])(
    'a scope of which nothing can be granted is invalid_scope, and no token is stored (§3.3): %s',
    async (_case, fields) => {
      const rows = async () => (await server.database.pool.query('SELECT count(*)::int AS count FROM artifact')).rows
      const before = await rows()
      expect(await machine(fields)).toMatchObject({ status: 400, body: { error: 'invalid_scope' } })
      expect(await rows()).toEqual(before)
    },
  )

  test('the token response contains the granted scope when it is less than what was requested', async () => {
    const { status, body } = await machine({ scope: 'api:read unknown:scope', resource: api })
    expect([status, body.scope]).toEqual([200, 'api:read'])
  })
})

describe('other grants', () => {
  test.each([
    'password',
    'implicit',
    'urn:ietf:params:oauth:grant-type:device_code',
    'urn:ietf:params:oauth:grant-type:jwt-bearer',
    'urn:ietf:params:oauth:grant-type:token-exchange',
    'urn:openid:params:grant-type:ciba',
    'x',
  ])('%s is not offered (§5.2)', async (grantType) => {
    const answer = await rp.token({
      grant_type: grantType,
      username: 'alice@example.com',
      password: 'wonderland tea party',
    })
    expect(answer).toMatchObject({ status: 400, body: { error: 'unsupported_grant_type' } })
  })

  test.each([
    ['client_credentials', 'web', {}],
    ['authorization_code', 'machine', { code: 'x', redirect_uri: callback }],
    ['refresh_token', 'machine', { refresh_token: 'x' }],
  ])(
    '%s is unauthorized_client for a client that is registered without it (§5.2)',
    async (grantType, clientId, fields) => {
      const headers = { Authorization: rp.basic(clientId, webSecret) }
      const answer = await rp.token({ grant_type: grantType, ...(fields as Record<string, string>) }, headers)
      expect(answer).toMatchObject({ status: 400, body: { error: 'unauthorized_client' } })
    },
  )

  test('a request without grant_type, or with two, is invalid_request', async () => {
    expect(await rp.token({})).toMatchObject({ status: 400, body: { error: 'invalid_request' } })
    const headers = { Authorization: rp.basic('web', webSecret), 'Content-Type': 'application/x-www-form-urlencoded' }
    const response = await fetch(`${server.issuer}/token`, {
      method: 'POST',
      headers,
      body: 'grant_type=x&grant_type=y',
    })
    expect(response.status).toBe(400)
  })
})

describe('authorization_code (§4.1.3)', () => {
  test('another redirect URI than at the authorization endpoint is invalid_grant, and does not spend the code', async () => {
    const { code } = await rp.authorize()
    const answer = await rp.exchange(code!, { redirect_uri: `${callback}/` })
    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
    expect(await rp.exchange(code!)).toMatchObject({ status: 200 })
  })

  test('a code is valid for 60 seconds', async () => {
    const { code } = await rp.authorize()
    server.clock.advance(60_001)
    expect(await rp.exchange(code!)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
  })

  test('an unknown, a cut and a malformed code are refused with 400', async () => {
    const { code } = await rp.authorize()
    for (const wrong of ['x', code!.slice(0, -1), `${code}x`, '\u0000', '💥'.repeat(20)]) {
      const answer = await rp.exchange(wrong)
      expect([wrong, answer.status]).toEqual([wrong, 400])
    }
  })

  test('the code and the tokens of an account that was disabled meanwhile are refused', async () => {
    const { accounts } = server.parts
    const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const
    const id = await accounts.create({ email: 'gone@example.com', password: 'here today and off again' }, operator)
    const party = createRelyingParty(server)
    const start = await party.browser.get(await party.authorizeUrl({ scope: 'openid offline_access' }))
    const { code } = await party.complete(start, { email: 'gone@example.com', password: 'here today and off again' })
    const tokens = (await party.exchange(code!)).body
    const second = await party.authorize({ scope: 'openid' })
    await accounts.disable(id, operator)
    expect(await party.exchange(second.code!)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
    expect(await party.refresh(tokens.refresh_token)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
    expect(await party.userinfo(tokens.access_token)).toMatchObject({ status: 401 })
  })
})

test('the sub of a user is never the id of a client (RFC 9700 §4.15.1)', async () => {
  const { id_token: idToken } = await rp.signIn()
  const { sub } = claimsIn(idToken)
  expect(sub).toMatch(/^[0-9a-f-]{36}$/)
  expect(await server.parts.clients.findById(String(sub))).toBeUndefined()
})
