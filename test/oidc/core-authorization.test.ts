/** Authorization requests (OpenID Connect Core 1.0 §3.1.2, RFC 6749 §4.1, RFC 9700 §4.1.3). */
import type { Page } from '../support/browser.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { callback, createRelyingParty, startLatchkey, webSecret } from '../support/latchkey.ts'
import { answerIn, claimsIn } from './support.ts'

let server: Latchkey

beforeAll(async () => {
  server = await startLatchkey()
  await server.addClient({
    clientId: 'loopback',
    kind: 'native',
    metadata: {
      client_name: 'Desktop',
      redirect_uris: ['http://127.0.0.1/callback', 'http://[::1]/callback', 'http://localhost:7000/callback'],
    },
  })
})
afterAll(() => server.stop())

const request = async (parameters: Record<string, string | undefined> = {}): Promise<Page> => {
  const { authorizeUrl, browser } = createRelyingParty(server)
  return browser.get(await authorizeUrl(parameters))
}

/** An error on the server's own page, without a redirect (RFC 6749 §4.1.2.1). */
function expectPage(page: Page): void {
  expect([page.status, page.headers.get('Location')]).toEqual([400, null])
  expect(page.headers.get('Content-Type')).toBe('text/html; charset=utf-8')
  expect(page.next).toBeUndefined()
}

test('a code is returned to the redirect URI with state and iss, and the ID token carries the nonce (§3.1.2.5, §3.1.3.7)', async () => {
  const relyingParty = createRelyingParty(server)
  const answer = await relyingParty.authorize({ state: 'a state/with?things&=', nonce: 'a nonce "with" things' })
  expect(Object.keys(answer).sort()).toEqual(['code', 'iss', 'state'])
  expect(answer).toMatchObject({ state: 'a state/with?things&=', iss: server.issuer })
  const { body } = await relyingParty.exchange(answer.code!)
  expect(claimsIn(body.id_token)).toMatchObject({ nonce: 'a nonce "with" things', aud: 'web', iss: server.issuer })
})

test('a request without state and nonce gets a response without state and an ID token without nonce', async () => {
  const relyingParty = createRelyingParty(server)
  const answer = await relyingParty.authorize({ state: undefined, nonce: undefined })
  expect(Object.keys(answer).sort()).toEqual(['code', 'iss'])
  expect(claimsIn((await relyingParty.exchange(answer.code!)).body.id_token)).not.toHaveProperty('nonce')
})

test('the query of a registered redirect URI is preserved (RFC 6749 §3.1.2)', async () => {
  await server.addClient({
    clientId: 'with-query',
    kind: 'web',
    secret: webSecret,
    metadata: { client_name: 'Query', redirect_uris: ['https://app.example/cb?tenant=a%20b'] },
  })
  const answer = answerIn(
    await request({ client_id: 'with-query', redirect_uri: 'https://app.example/cb?tenant=a%20b', prompt: 'none' }),
  )
  expect(answer).toMatchObject({ tenant: 'a b', error: 'login_required', state: 'the-state', iss: server.issuer })
})

describe('a redirect URI that is not exactly registered is answered on a page, never by redirect', () => {
  const attacks = [
    'https://app.example/callback/',
    'https://app.example/callback/..',
    'https://app.example/callback/../callback',
    'https://app.example/callback?x=1',
    'https://app.example/callback#fragment',
    'https://app.example/callback%2e%2e',
    'https://app.example/%63allback',
    'https://app.example/Callback',
    'https://app.example:443/callback',
    'https://app.example:8443/callback',
    'https://APP.example/callback',
    'HTTPS://app.example/callback',
    'http://app.example/callback',
    'https://app.example.evil.example/callback',
    'https://evil.example/callback',
    'https://evil.example\\@app.example/callback',
    'https://app.example@evil.example/callback',
    'https://user@app.example/callback',
    'https://app.example\\callback',
    'https:/app.example/callback',
    '//app.example/callback',
    '/callback',
    'javascript:alert(1)',
    'data:text/html,hello',
    ' https://app.example/callback',
    'https://app.example/callback ',
    'https://app.example/callback\u0000',
    'https://app.example/callback\r\nX: y',
    '',
    'x',
  ]
  test.each(attacks)('%j', async (redirectUri) => {
    expectPage(await request({ redirect_uri: redirectUri }))
    expectPage(await request({ redirect_uri: redirectUri, response_type: 'token' }))
    expectPage(await request({ redirect_uri: redirectUri, prompt: 'none', scope: 'openid "' }))
  })

  test('the redirect URI of another client and a missing one are answered on a page, although only one is registered', async () => {
    expectPage(await request({ redirect_uri: 'https://spa.example/callback' }))
    expectPage(await request({ redirect_uri: undefined }))
  })

  test('a native client on the loopback host may use any port, and nothing else may differ (RFC 8252 §7.3)', async () => {
    for (const redirectUri of [
      'http://127.0.0.1:51234/callback',
      'http://[::1]:1/callback',
      'http://127.0.0.1/callback',
    ]) {
      const page = await request({ client_id: 'loopback', redirect_uri: redirectUri, prompt: 'none' })
      expect(page.next?.startsWith(`${redirectUri}?`)).toBe(true)
      expect(answerIn(page).error).toBe('login_required')
    }
    for (const redirectUri of [
      'http://127.0.0.1:51234/other',
      'https://127.0.0.1:51234/callback',
      'http://127.0.0.2:51234/callback',
      'http://127.0.0.1.evil.example:80/callback',
      'http://user@127.0.0.1:51234/callback',
      'http://127.0.0.1:51234/callback?x',
      'http://127.0.0.1:/callback',
      'http://127.0.0.1:080/callback',
      'http://[::1]:/callback',
    ]) {
      expectPage(await request({ client_id: 'loopback', redirect_uri: redirectUri, prompt: 'none' }))
    }
  })

  test('a web client on the loopback host may not use another port', async () => {
    await server.addClient({
      clientId: 'web-on-loopback',
      kind: 'web',
      secret: webSecret,
      metadata: { client_name: 'Local', redirect_uris: ['http://localhost:3001/callback'] },
    })
    expectPage(await request({ client_id: 'web-on-loopback', redirect_uri: 'http://localhost:3002/callback' }))
  })
})

test.each([
  undefined,
  '',
  'nobody',
  'WEB',
  'web ',
  '__proto__',
  'constructor',
  'kept as a keyed digest only',
  // No URL is a client (Client ID Metadata Document).
  'https://app.example/client.json',
  'x'.repeat(3000),
  'w\u0000eb',
])('an unknown client (%j) is answered on a page', async (clientId) => {
  expectPage(await request({ client_id: clientId }))
})

test('a disabled client is treated as an unknown client', async () => {
  const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const
  await server.addClient({
    clientId: 'off',
    kind: 'web',
    secret: webSecret,
    metadata: { client_name: 'Off', redirect_uris: [callback] },
  })
  expect((await request({ client_id: 'off' })).status).toBe(303)
  await server.parts.clients.disable('off', operator)
  expectPage(await request({ client_id: 'off' }))
})

test('a request of a machine client, which has no redirect URI, is answered on a page', async () => {
  expectPage(await request({ client_id: 'machine' }))
})

describe('only the code flow is offered (RFC 9700 §2.1.2)', () => {
  test.each([
    'token',
    'id_token',
    'id_token token',
    'code id_token',
    'code token',
    'code id_token token',
    'none',
    'x',
    'CODE',
  ])('response_type=%s gets an error at the redirect URI, with state and iss', async (responseType) => {
    const page = await request({ response_type: responseType })
    expect(page.status).toBe(303)
    const { searchParams, hash, origin, pathname } = new URL(page.next!)
    expect(`${origin}${pathname}`).toBe(callback)
    const answer = Object.fromEntries([...searchParams, ...new URLSearchParams(hash.slice(1))])
    expect(answer).toMatchObject({ error: 'unsupported_response_type', state: 'the-state', iss: server.issuer })
    expect(answer).not.toHaveProperty('access_token')
    expect(answer).not.toHaveProperty('id_token')
    expect(answer).not.toHaveProperty('code')
  })

  test('a missing response_type is invalid_request (RFC 6749 §4.1.2.1)', async () => {
    expect(answerIn(await request({ response_type: undefined }))).toMatchObject({
      error: 'invalid_request',
      state: 'the-state',
      iss: server.issuer,
    })
  })

  test('response modes are query and form_post; any other is refused before the user is asked for anything', async () => {
    for (const responseMode of ['fragment', 'web_message', 'jwt', 'query.jwt', 'x', '__proto__']) {
      const { searchParams, hash } = new URL((await request({ response_mode: responseMode })).next!)
      const answer = Object.fromEntries([...searchParams, ...new URLSearchParams(hash.slice(1))])
      expect(answer).toMatchObject({ error: 'unsupported_response_mode', state: 'the-state', iss: server.issuer })
    }
    expect(answerIn(await request({ response_mode: 'query', prompt: 'none' })).error).toBe('login_required')
  })
})

describe('a parameter that is sent twice (RFC 6749 §3.1)', () => {
  const twice = async (name: string, value: string): Promise<Page> => {
    const { authorizeUrl, browser } = createRelyingParty(server)
    const url = new URL(await authorizeUrl({ prompt: 'none' }))
    if (!url.searchParams.has(name)) url.searchParams.set(name, value)
    url.searchParams.append(name, value)
    return browser.get(url.href)
  }

  test.each(['client_id', 'redirect_uri'])('%s: a page', async (name) => {
    expectPage(await twice(name, name === 'client_id' ? 'web' : callback))
    expectPage(await twice(name, 'https://evil.example/'))
  })

  test.each([
    'response_type',
    'scope',
    'nonce',
    'code_challenge',
    'prompt',
    'max_age',
    'claims',
    'login_hint',
    'response_mode',
  ])('%s: invalid_request at the client, with state and iss', async (name) => {
    expect(answerIn(await twice(name, 'code'))).toMatchObject({
      error: 'invalid_request',
      state: 'the-state',
      iss: server.issuer,
    })
  })

  test('state: invalid_request without a state, because it is unknown which of the two is meant', async () => {
    const answer = answerIn(await twice('state', 'other'))
    expect(answer).toMatchObject({ error: 'invalid_request', iss: server.issuer })
    expect(answer).not.toHaveProperty('state')
  })

  test('an unknown parameter may repeat: it is ignored', async () => {
    expect(answerIn(await twice('unknown', 'value')).error).toBe('login_required')
  })
})

describe('unsupported parameters', () => {
  test.each([
    ['request', 'eyJhbGciOiJub25lIn0.e30.', 'request_not_supported'],
    ['request', 'not a jwt', 'request_not_supported'],
    ['request_uri', 'https://app.example/request.jwt', 'request_uri_not_supported'],
    ['request_uri', 'urn:ietf:params:oauth:request_uri:abc', 'invalid_request_uri'],
    ['registration', '{}', 'registration_not_supported'],
    ['prompt', 'create', 'invalid_request'],
    ['prompt', 'none login', 'invalid_request'],
    ['prompt', 'LOGIN', 'invalid_request'],
    ['max_age', '-1', 'invalid_request'],
    ['max_age', 'soon', 'invalid_request'],
    ['max_age', '1e400', 'invalid_request'],
    ['id_token_hint', 'x', 'invalid_request'],
    ['id_token_hint', 'eyJhbGciOiJub25lIn0.e30.', 'invalid_request'],
    ['resource', 'https://unknown.example/', 'invalid_target'],
    ['resource', 'not a uri', 'invalid_target'],
    ['resource', 'https://api.example/#fragment', 'invalid_target'],
    ['scope', 'openid "quoted"', 'invalid_scope'],
    ['scope', 'openid  profile', 'invalid_scope'],
    ['scope', 'openid\tprofile', 'invalid_scope'],
  ])('%s=%j is refused with %s, at the client with state and iss', async (name, value, error) => {
    expect(answerIn(await request({ [name]: value }))).toMatchObject({ error, state: 'the-state', iss: server.issuer })
  })

  test.each([
    ['display', 'popup'],
    ['ui_locales', 'xx-YY de'],
    ['claims_locales', 'fr'],
    ['acr_values', 'urn:unknown:1 urn:unknown:2'],
    ['dpop_jkt', 'x'],
    ['authorization_details', '[]'],
    ['unknown', 'value'],
    ['__proto__', 'value'],
    ['scope', 'openid unknown:scope'],
  ])('%s=%j is ignored (OpenID Connect Core 1.0 §3.1.2.1)', async (name, value) => {
    const relyingParty = createRelyingParty(server)
    expect(await relyingParty.authorize({ [name]: value })).toMatchObject({ state: 'the-state', iss: server.issuer })
  })
})

describe('scope', () => {
  test('a scope of OpenID Connect that the client may not request is invalid_scope', async () => {
    expect(
      answerIn(
        await request({ client_id: 'loopback', redirect_uri: 'http://127.0.0.1/callback', scope: 'openid phone' }),
      ),
    ).toMatchObject({
      error: 'invalid_scope',
      state: 'the-state',
      iss: server.issuer,
    })
  })

  test('without openid it is plain OAuth: no ID token (RFC 6749 §3.3)', async () => {
    const relyingParty = createRelyingParty(server)
    const answer = await relyingParty.authorize({ scope: 'profile', nonce: undefined })
    const { body } = await relyingParty.exchange(answer.code!)
    expect(body).toMatchObject({ scope: 'profile', token_type: 'Bearer' })
    expect(body).not.toHaveProperty('id_token')
  })

  test('the token response contains the scope when it is less than what was requested (RFC 6749 §3.3)', async () => {
    const relyingParty = createRelyingParty(server)
    const { code } = await relyingParty.authorize({ scope: 'openid email unknown:scope' })
    expect((await relyingParty.exchange(code!)).body.scope).toBe('openid email')
  })
})

describe('a request whose scope grants nothing is invalid_scope, without a login (RFC 6749 §3.3)', () => {
  test.each([undefined, '', 'unknown:scope', 'api:read'])('scope=%j', async (scope) => {
    const answer = answerIn(await request({ scope, nonce: undefined }))
    expect(answer).toMatchObject({ error: 'invalid_scope', state: 'the-state', iss: server.issuer })
  })
})

test('login_hint is put into the email field, escaped and cut to 320 characters (OpenID Connect Core 1.0 §3.1.2.1)', async () => {
  const { browser, authorizeUrl } = createRelyingParty(server)
  const page = await browser.follow(
    await browser.get(await authorizeUrl({ login_hint: '"><script>alert(1)</script>' })),
  )
  expect(page.body).toContain('value="&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"')
  expect(page.body).not.toContain('<script>alert')
  const long = await browser.follow(await browser.get(await authorizeUrl({ login_hint: 'a'.repeat(3000) })))
  expect(long.body).toContain(`value="${'a'.repeat(320)}"`)
})
