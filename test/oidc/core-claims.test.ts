/** Scopes, claims and the claims parameter: OpenID Connect Core 1.0 §2, §5.1, §5.3, §5.4, §5.5. */
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey, testPassword } from '../support/latchkey.ts'
import { claimsIn, minutes, signedIn, verify } from './support.ts'

let server: Latchkey
const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const
const acr = 'urn:latchkey:acr:password'
const full = { email: 'dinah@example.com', password: testPassword }

beforeAll(async () => {
  server = await startLatchkey()
  await server.parts.accounts.create(
    {
      email: full.email,
      isEmailVerified: false,
      password: full.password,
      name: 'Dinah Liddell',
      givenName: 'Dinah',
      familyName: 'Liddell',
      middleName: 'Kitty',
      nickname: 'Di',
      preferredUsername: 'dinah',
      profile: 'https://example.com/dinah',
      picture: 'https://example.com/dinah.jpg',
      website: 'https://dinah.example.com/',
      gender: 'female',
      birthdate: '0000-05-04',
      zoneinfo: 'Europe/London',
      locale: 'en-GB',
      phoneNumber: '+441865276492',
      isPhoneNumberVerified: true,
      address: { locality: 'Oxford', country: 'UK' },
      roles: ['author', 'editor'],
    },
    operator,
  )
})
afterAll(() => server.stop())

/** Signs dinah in. Returns the claims of the ID token and of userinfo. */
async function claimsFor(parameters: Record<string, string>) {
  const relyingParty = createRelyingParty(server)
  const { code } = await relyingParty.complete(
    await relyingParty.browser.get(await relyingParty.authorizeUrl(parameters)),
    full,
  )
  const tokens = (await relyingParty.exchange(code!)).body
  const { body } = await relyingParty.userinfo(tokens.access_token)
  return { idToken: claimsIn(tokens.id_token), userinfo: body, tokens, relyingParty }
}

const own = ['acr', 'amr', 'aud', 'auth_time', 'exp', 'iat', 'iss', 'nonce', 'sid', 'sub']
const profile = [
  'birthdate',
  'family_name',
  'gender',
  'given_name',
  'locale',
  'middle_name',
  'name',
  'nickname',
  'picture',
  'preferred_username',
  'profile',
  'sub',
  'updated_at',
  'website',
  'zoneinfo',
]

describe('a scope stands for its claims at userinfo, and the ID token has none of them (§5.4)', () => {
  test.each([
    ['openid', ['sub']],
    ['openid profile', profile],
    ['openid email', ['email', 'email_verified', 'sub']],
    ['openid phone', ['phone_number', 'phone_number_verified', 'sub']],
    ['openid address', ['address', 'sub']],
    ['openid roles', ['roles', 'sub']],
  ])('%s: %j', async (scope, names) => {
    const { idToken, userinfo } = await claimsFor({ scope })
    expect(Object.keys(userinfo).sort()).toEqual(names)
    expect(Object.keys(idToken).sort()).toEqual(own)
    expect(userinfo.sub).toBe(idToken.sub)
  })

  test('userinfo has the values of the account, in the types of the standard', async () => {
    const { userinfo } = await claimsFor({ scope: 'openid profile email phone address roles' })
    expect(userinfo).toMatchObject({
      name: 'Dinah Liddell',
      middle_name: 'Kitty',
      birthdate: '0000-05-04',
      updated_at: Math.floor(server.clock.now() / 1000),
      email: 'dinah@example.com',
      email_verified: false,
      phone_number: '+441865276492',
      phone_number_verified: true,
      address: { locality: 'Oxford', country: 'UK' },
      roles: ['author', 'editor'],
    })
  })

  test('a claim that the account does not have is omitted, not null (§5.3.2)', async () => {
    const { tokens, userinfo } = await signedIn(server, { scope: 'openid profile phone address' })
    const { body } = await userinfo(tokens.access_token)
    expect(Object.keys(body).sort()).toEqual(['name', 'sub', 'updated_at'])
  })
})

describe('sub', () => {
  test('is a stable id that is not the email address and does not change with it', async () => {
    const first = await claimsFor({})
    expect(first.idToken.sub).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    await server.database
      .knex('account')
      .where({ id: first.idToken.sub })
      .update({ email: 'dinah@wonderland.example', email_key: 'dinah@wonderland.example' })
    const moved = createRelyingParty(server)
    const login = await moved.browser.get(await moved.authorizeUrl({}))
    const second = await moved.complete(login, { ...full, email: 'dinah@wonderland.example' })
    expect(claimsIn((await moved.exchange(second.code!)).body.id_token).sub).toBe(first.idToken.sub)
    await server.database
      .knex('account')
      .where({ id: first.idToken.sub })
      .update({ email: full.email, email_key: full.email })
    const spa = { client_id: 'spa', redirect_uri: 'https://spa.example/callback' }
    const relyingParty = createRelyingParty(server)
    const { code } = await relyingParty.complete(
      await relyingParty.browser.get(await relyingParty.authorizeUrl(spa)),
      full,
    )
    const { body } = await relyingParty.exchange(code!, spa)
    expect(claimsIn(body.id_token).sub).toBe(first.idToken.sub)
  })
})

describe('auth_time, acr, amr and sid are in every ID token and true (§2)', () => {
  test('at the code exchange, after each refresh, with a narrowed scope, and for every client', async () => {
    const { relyingParty, tokens, idToken } = await claimsFor({ scope: 'openid profile offline_access' })
    const truth = { auth_time: Math.floor(server.clock.now() / 1000), acr, amr: ['pwd'], sid: idToken.sid }
    expect(idToken).toMatchObject(truth)
    expect(idToken.sid).toMatch(/^[\w-]{20,}$/)
    let refreshToken = tokens.refresh_token
    for (const more of [{}, { scope: 'openid' }, {}] as Record<string, string>[]) {
      server.clock.advance(minutes(20))
      const { body } = await relyingParty.refresh(refreshToken, more)
      refreshToken = body.refresh_token
      const claims = await verify(server, body.id_token, { audience: 'web' })
      expect(claims).toMatchObject({ ...truth, sub: idToken.sub, iss: server.issuer })
      expect(claims.iat).toBe(Math.floor(server.clock.now() / 1000))
    }
    for (const client of [
      { client_id: 'spa', redirect_uri: 'https://spa.example/callback' },
      { client_id: 'native', redirect_uri: 'com.example.app:/callback' },
    ]) {
      const party = createRelyingParty(server)
      const { code } = await party.authorize(client)
      const claims = claimsIn((await party.exchange(code!, client)).body.id_token)
      expect(claims).toMatchObject({ acr, amr: ['pwd'], sid: expect.any(String), auth_time: expect.any(Number) })
    }
  })

  test('a client has one sid in a session, and another client has another sid', async () => {
    const relyingParty = await signedIn(server)
    const { sid } = claimsIn(relyingParty.tokens.id_token)
    expect(claimsIn((await relyingParty.signIn()).id_token).sid).toBe(sid)
    const spa = { client_id: 'spa', redirect_uri: 'https://spa.example/callback' }
    const { code } = await relyingParty.authorize(spa)
    expect(claimsIn((await relyingParty.exchange(code!, spa)).body.id_token).sid).not.toBe(sid)
  })
})

describe('the claims parameter (§5.5)', () => {
  const asked = (claims: unknown) => claimsFor({ claims: JSON.stringify(claims) })

  test('gives single claims in the ID token and at userinfo, voluntary (null) and essential', async () => {
    const { idToken, userinfo } = await asked({
      id_token: { email: null, name: { essential: true } },
      userinfo: { given_name: null, phone_number: { essential: true } },
    })
    expect(idToken).toMatchObject({ email: 'dinah@example.com', name: 'Dinah Liddell' })
    expect(idToken).not.toHaveProperty('given_name')
    expect(Object.keys(userinfo).sort()).toEqual(['given_name', 'phone_number', 'sub'])
  })

  test('gives the same claims after a refresh', async () => {
    const { relyingParty, tokens } = await asked({ id_token: { email: null }, userinfo: { name: null } })
    const { body } = await relyingParty.refresh(tokens.refresh_token)
    expect(claimsIn(body.id_token).email).toBe('dinah@example.com')
    expect((await relyingParty.userinfo(body.access_token)).body.name).toBe('Dinah Liddell')
  })

  test('an essential claim that the account does not have is omitted without an error (§5.5.1)', async () => {
    const relyingParty = createRelyingParty(server)
    const claims = JSON.stringify({ id_token: { website: { essential: true }, nonsense: { essential: true } } })
    const { code } = await relyingParty.authorize({ claims })
    const idToken = claimsIn((await relyingParty.exchange(code!)).body.id_token)
    expect(Object.keys(idToken).sort()).toEqual(own)
  })

  test('the claims of the authentication may be requested, and need no consent', async () => {
    const claims = JSON.stringify({ id_token: { auth_time: { essential: true }, acr: null, amr: null, sid: null } })
    const relyingParty = await signedIn(server)
    expect(await relyingParty.authorize({ claims, prompt: 'none' })).toHaveProperty('code')
  })

  test.each(['{', '[]', '"x"', 'null', '{}', '{"id_token":1}', '{"userinfo":[]}', '{"id_token":"x"}', '1e999'])(
    'a malformed claims request (%s) is invalid_request at the client',
    async (claims) => {
      const relyingParty = createRelyingParty(server)
      expect(await relyingParty.authorize({ claims })).toMatchObject({
        error: 'invalid_request',
        state: 'the-state',
        iss: server.issuer,
      })
    },
  )

  test.each([
    { id_token: { sub: true } },
    { id_token: { sub: 'x', email: null } },
    { id_token: { email: 1 } },
    { userinfo: { email: 'x' } },
    { userinfo: { phone_number: [] } },
  ])('a member that is neither null nor an object is invalid_request: %j', async (claims) => {
    const relyingParty = await signedIn(server)
    expect(await relyingParty.authorize({ claims: JSON.stringify(claims), prompt: 'none' })).toMatchObject({
      error: 'invalid_request',
      state: 'the-state',
      iss: server.issuer,
    })
  })

  test.each<object>([
    { id_token: { email: { value: 'other@example.com' }, name: { values: [1, {}] } } },
    { id_token: { __proto__x: null, constructor: {}, toString: null } },
    { other: {}, userinfo: {} },
  ])('unknown members are ignored: %j', async (claims) => {
    const { tokens } = await asked(claims)
    expect(tokens).toHaveProperty('id_token')
  })

  test('a requested sub other than the session’s is login_required with prompt=none, and the session’s own gives a code (§5.5.1)', async () => {
    const relyingParty = await signedIn(server)
    const { sub } = claimsIn(relyingParty.tokens.id_token)
    const other = JSON.stringify({ id_token: { sub: { value: 'somebody else' } } })
    const same = JSON.stringify({ id_token: { sub: { value: sub } } })
    expect((await relyingParty.authorize({ claims: other, prompt: 'none' })).error).toBe('login_required')
    expect(await relyingParty.authorize({ claims: same, prompt: 'none' })).toHaveProperty('code')
  })
})

describe('acr', () => {
  const unreachable = 'urn:example:two-factors'
  const claims = (request: unknown) => JSON.stringify({ id_token: { acr: request } })

  test('acr_values is voluntary: an unreachable class is ignored, and the token has the class that was reached (§3.1.2.1)', async () => {
    for (const values of [unreachable, `${unreachable} ${acr}`, acr]) {
      const { idToken } = await claimsFor({ acr_values: values })
      expect(idToken.acr).toBe(acr)
    }
  })

  test('a voluntary acr in claims that cannot be reached is ignored too (§5.5.1.1)', async () => {
    const { idToken } = await claimsFor({ claims: claims({ values: [unreachable] }) })
    expect(idToken.acr).toBe(acr)
  })

  test('an essential acr among those offered is reached', async () => {
    for (const request of [{ value: acr }, { values: [unreachable, acr] }]) {
      const { idToken } = await claimsFor({ claims: claims({ essential: true, ...request }) })
      expect(idToken.acr).toBe(acr)
    }
    expect((await claimsFor({ claims: claims({ essential: true }) })).idToken.acr).toBe(acr)
  })

  test.each([[{ value: unreachable }], [{ values: [unreachable, 'urn:other'] }]])(
    'an essential acr that no login can reach is an immediate error, without a login page: %j',
    async (request) => {
      for (const parameters of [{}, { prompt: 'none' }, { prompt: 'login' }] as Record<string, string>[]) {
        for (const relyingParty of [createRelyingParty(server), await signedIn(server)]) {
          const essential = claims({ essential: true, ...request })
          const page = await relyingParty.browser.get(
            await relyingParty.authorizeUrl({ claims: essential, ...parameters }),
          )
          expect(page.status).toBe(303)
          expect(Object.fromEntries(new URL(page.next!).searchParams)).toMatchObject({
            error: 'unmet_authentication_requirements',
            state: 'the-state',
            iss: server.issuer,
          })
        }
      }
    },
  )

  test.each([
    [{ values: 'x' }],
    [{ values: {} }],
    [{ value: 7 }],
    [{ values: [7] }],
    [{ value: null }],
    [{ values: [] }],
  ])(
    'an essential acr of a wrong type is an error of the request or ignored, never a server_error: %j',
    async (request) => {
      const relyingParty = await signedIn(server)
      const page = await relyingParty.browser.get(
        await relyingParty.authorizeUrl({ claims: claims({ essential: true, ...request }) }),
      )
      expect(page.status).toBe(303)
      expect(page.body).not.toContain('server_error')
      expect(new URL(page.next!).searchParams.get('error')).not.toBe('server_error')
    },
  )
})

describe('ID tokens are signed with the algorithm of the client (OpenID Connect Registration §2)', () => {
  test.each([undefined, 'RS256', 'ES256', 'EdDSA'])('%s', async (algorithm) => {
    const clientId = `signs-${algorithm}`
    await server.addClient({
      clientId,
      kind: 'spa',
      isFirstParty: true,
      metadata: {
        client_name: 'Signed',
        redirect_uris: ['https://signed.example/cb'],
        ...(algorithm && { id_token_signed_response_alg: algorithm }),
      },
    })
    const client = { client_id: clientId, redirect_uri: 'https://signed.example/cb' }
    const relyingParty = createRelyingParty(server)
    const { code } = await relyingParty.authorize(client)
    const { body } = await relyingParty.exchange(code!, client)
    const refreshed = await relyingParty.refresh(body.refresh_token, { client_id: clientId })
    for (const idToken of [body.id_token, refreshed.body.id_token]) {
      const options = { audience: clientId, algorithms: [algorithm ?? 'RS256'] }
      const claims = await verify(server, idToken, options)
      expect(claims.exp! - claims.iat!).toBe(600)
      expect(claims).toMatchObject({ aud: clientId, nonce: 'the-nonce' })
    }
  })
})
