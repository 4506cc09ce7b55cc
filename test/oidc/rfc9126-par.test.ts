/** Pushed authorization requests (RFC 9126). */
import type { Latchkey } from '../support/latchkey.ts'
import { callback, createRelyingParty, startLatchkey, webSecret } from '../support/latchkey.ts'
import { answerIn } from './support.ts'

let server: Latchkey
beforeAll(async () => {
  server = await startLatchkey()
  await server.addClient({
    clientId: 'pushing',
    kind: 'web',
    secret: webSecret,
    metadata: { client_name: 'Pushing', redirect_uris: [callback], require_pushed_authorization_requests: true },
  })
})
afterAll(() => server.stop())

type RelyingParty = ReturnType<typeof createRelyingParty>

/** The parameters of an authorization request, as form fields. */
async function fieldsOf(rp: RelyingParty, more: Record<string, string | undefined> = {}) {
  return Object.fromEntries(new URL(await rp.authorizeUrl(more)).searchParams)
}
const push = async (rp: RelyingParty, more: Record<string, string | undefined> = {}, clientId = 'web') =>
  rp.call('/par', await fieldsOf(rp, { client_id: clientId, ...more }), {
    Authorization: rp.basic(clientId, webSecret),
  })

const requestUrlOf = (requestUri: string, clientId = 'web') =>
  `${server.issuer}/authorize?${new URLSearchParams({ client_id: clientId, request_uri: requestUri })}`

test('a pushed request is answered 201 with a request_uri that is valid for a minute (§2.2), and leads to a code', async () => {
  const rp = createRelyingParty(server)
  const { status, body, headers } = await push(rp)
  expect([status, body]).toEqual([
    201,
    { expires_in: 60, request_uri: expect.stringMatching(/^urn:ietf:params:oauth:request_uri:\S{20,}$/) },
  ])
  expect(headers.get('Cache-Control')).toContain('no-store')
  const { code, state, iss } = await rp.complete(await rp.browser.get(requestUrlOf(body.request_uri)))
  expect([state, iss]).toEqual(['the-state', server.issuer])
  expect(await rp.exchange(code!)).toMatchObject({ status: 200 })
})

test('only the client itself may push, authenticated as at the token endpoint (§2.1)', async () => {
  const rp = createRelyingParty(server)
  const fields = await fieldsOf(rp)
  expect((await rp.call('/par', fields)).status).toBe(401)
  expect((await rp.call('/par', fields, { Authorization: rp.basic('machine', webSecret) })).status).toBe(400)
  const spa = { client_id: 'spa', redirect_uri: 'https://spa.example/callback' }
  expect(await rp.call('/par', await fieldsOf(rp, spa))).toMatchObject({ status: 201 })
  const { response_type: _left, ...unasked } = fields
  expect(await rp.call('/par', unasked, { Authorization: rp.basic('web', webSecret) })).toMatchObject({
    status: 400,
    body: { error: 'invalid_request' },
  })
})

test.each([
  ['an unregistered redirect_uri', { redirect_uri: 'https://evil.example/' }, 'invalid_redirect_uri|invalid_request'],
  [
    'a request_uri',
    { request_uri: 'urn:ietf:params:oauth:request_uri:x' },
    'invalid_request|request_uri_not_supported',
  ],
  ['another client’s id', { client_id: 'spa' }, 'invalid_request|invalid_client'],
  ['an unknown resource', { resource: 'https://nowhere.example/' }, 'invalid_target'],
  ['plain PKCE', { code_challenge_method: 'plain' }, 'invalid_request'],
])('%s is refused when it is pushed (§2.3)', async (_case, more, error) => {
  const rp = createRelyingParty(server)
  const answer = await rp.call('/par', await fieldsOf(rp, more), { Authorization: rp.basic('web', webSecret) })
  expect([400, 401]).toContain(answer.status)
  expect(answer.body.error).toMatch(new RegExp(`^(${error})$`))
})

describe('a request_uri (§4)', () => {
  test('is valid once', async () => {
    const rp = createRelyingParty(server)
    await rp.signIn()
    const { request_uri: uri } = (await push(rp)).body
    expect(answerIn(await rp.browser.follow(await rp.browser.get(requestUrlOf(uri))))).toHaveProperty('code')
    const again = await rp.browser.follow(await rp.browser.get(requestUrlOf(uri)))
    expect([again.status, again.next]).toEqual([400, undefined])
    expect(again.body).toContain('invalid_request_uri')
  })

  test('that two browsers have opened gives a code to the first one that finishes', async () => {
    const { request_uri: uri } = (await push(createRelyingParty(server))).body
    const [first, second] = [createRelyingParty(server), createRelyingParty(server)]
    const pages = []
    for (const { browser } of [first, second]) pages.push(await browser.follow(await browser.get(requestUrlOf(uri))))
    expect(await first.complete(pages[0]!)).toHaveProperty('code')
    await expect(second.complete(pages[1]!)).rejects.toThrow('the flow did not end: 400')
  })

  test('gives one code for 50 concurrent requests', async () => {
    const rp = createRelyingParty(server)
    await rp.signIn()
    const { request_uri: uri } = (await push(rp)).body
    const cookie = await rp.browser.jar.getCookieString(server.issuer)
    const answers = await Promise.all(
      Array.from({ length: 50 }, async () => {
        const response = await fetch(requestUrlOf(uri), {
          headers: { cookie, Accept: 'text/html' },
          redirect: 'manual',
        })
        return { status: response.status, to: response.headers.get('Location'), page: await response.text() }
      }),
    )
    expect(answers.filter(({ to }) => to?.includes('code='))).toHaveLength(1)
    // The others are refused like a later use: the client already has its response.
    const others = answers.filter(({ to }) => to === null)
    expect(others).toHaveLength(49)
    for (const { status, page } of others) expect([status, page.includes('invalid_request_uri')]).toEqual([400, true])
  })

  test('is refused for another client, and stays valid for its own', async () => {
    const rp = createRelyingParty(server)
    await rp.signIn()
    const { request_uri: uri } = (await push(rp)).body
    const foreign = await rp.browser.follow(await rp.browser.get(requestUrlOf(uri, 'spa')))
    expect([foreign.status, foreign.next]).toEqual([400, undefined])
    expect(answerIn(await rp.browser.follow(await rp.browser.get(requestUrlOf(uri))))).toHaveProperty('code')
  })

  test('that has expired, is unknown, or is a code is answered on a page', async () => {
    const rp = createRelyingParty(server)
    const { request_uri: uri } = (await push(rp)).body
    server.clock.advance(60_000)
    const { code } = await rp.authorize()
    for (const wrong of [uri, 'urn:ietf:params:oauth:request_uri:x', `urn:ietf:params:oauth:request_uri:${code}`]) {
      const page = await rp.browser.follow(await rp.browser.get(requestUrlOf(wrong)))
      expect([page.status, page.next]).toEqual([400, undefined])
    }
    for (const wrong of ['https://app.example/request', 'http://127.0.0.1:1/']) {
      const page = await rp.browser.follow(await rp.browser.get(requestUrlOf(wrong)))
      expect(page.next === undefined ? page.status : answerIn(page).error).toEqual(
        page.next === undefined ? 400 : expect.stringMatching(/request_uri/),
      )
    }
  })
})

test('a client that must push is refused when it does not (§6)', async () => {
  const rp = createRelyingParty(server)
  const page = await rp.browser.get(await rp.authorizeUrl({ client_id: 'pushing' }))
  expect(page.next === undefined ? page.status : answerIn(page).error).toBe('invalid_request')
  const { body } = await push(rp, {}, 'pushing')
  expect(await rp.complete(await rp.browser.get(requestUrlOf(body.request_uri, 'pushing')))).toHaveProperty('code')
})

describe('offline_access', () => {
  const scope = 'openid offline_access'
  const ask = async (more: Record<string, string | undefined>) => {
    const rp = createRelyingParty(server)
    const { body } = await push(rp, { scope, ...more })
    const { code } = await rp.complete(await rp.browser.get(requestUrlOf(body.request_uri)))
    return { ...rp, tokens: (await rp.exchange(code!)).body }
  }

  test.each([{}, { prompt: 'consent' }])(
    'is stored in a pushed request (%j), and outlasts the session',
    async (more) => {
      const { browser, tokens, refresh } = await ask(more)
      expect(tokens.scope).toBe(scope)
      await browser.submit(await browser.get(`${server.issuer}/logout`), '/confirm', { logout: 'yes' })
      expect((await refresh(tokens.refresh_token)).body.scope).toBe(scope)
    },
  )

  test('comes from the pushed request, whatever the URL says', async () => {
    const rp = createRelyingParty(server)
    const { body } = await push(rp, { scope: 'openid' })
    const requestUrl = `${requestUrlOf(body.request_uri)}&${new URLSearchParams({ scope })}`
    const { code } = await rp.complete(await rp.browser.get(requestUrl))
    expect((await rp.exchange(code!)).body.scope).toBe('openid')
  })

  test('is ignored for a client that may not request it', async () => {
    const rp = createRelyingParty(server)
    const { body } = await push(rp, { scope }, 'pushing')
    const { code } = await rp.complete(await rp.browser.get(requestUrlOf(body.request_uri, 'pushing')))
    const fields = { grant_type: 'authorization_code', code: code!, redirect_uri: callback, code_verifier: rp.verifier }
    const answer = await rp.token(fields, { Authorization: rp.basic('pushing', webSecret) })
    expect(answer.body.scope).toBe('openid')
  })
})

test.each([
  ['state', 4_001],
  ['scope', 1_001],
  ['claims', 16_001],
  ['anything', 4_001],
])('%s of %d characters is too long, at every endpoint that reads a form', async (name, length) => {
  const rp = createRelyingParty(server)
  const headers = { Authorization: rp.basic('web', webSecret) }
  const refused = { status: 400, body: { error: 'invalid_request', error_description: `${name} is too long` } }
  const tooLong = { [name]: 'x'.repeat(length) }
  expect(await push(rp, tooLong)).toMatchObject(refused)
  for (const path of ['/token', '/introspect', '/revoke']) {
    const fields = { grant_type: 'refresh_token', refresh_token: 'x', token: 'x', ...tooLong }
    expect(await rp.call(path, fields, headers)).toMatchObject(refused)
  }
})

describe('claims', () => {
  const asking = (value: string) => `{"userinfo":{"name":{"value":${value}}}}`
  const lists = (count: number) => asking('['.repeat(count) + ']'.repeat(count))
  const objects = (count: number) => asking(`${'{"a":'.repeat(count)}1${'}'.repeat(count)}`)
  const refused = { status: 400, body: { error: 'invalid_request', error_description: 'claims is nested too deeply' } }

  test.each([
    ['2000 objects', objects(2000)],
    ['7000 lists', lists(7000)],
    ['33 levels', lists(30)],
  ])('that are nested too deeply are refused, pushed or at the authorization endpoint: %s', async (_case, claims) => {
    const rp = createRelyingParty(server)
    expect(await push(rp, { claims })).toMatchObject(refused)
    const fields = new URLSearchParams(await fieldsOf(rp, { claims }))
    const posted = await fetch(`${server.issuer}/authorize`, { method: 'POST', body: fields, redirect: 'manual' })
    expect([posted.status, await posted.text()]).toEqual([400, expect.stringContaining('parameter_too_deep')])
    if (claims.length > 1000) return
    const got = await fetch(`${server.issuer}/authorize?${fields}`, { redirect: 'manual' })
    expect([got.status, await got.text()]).toEqual([400, expect.stringContaining('parameter_too_deep')])
  })

  test.each([
    ['32 levels', lists(29)],
    ['brackets within a text', asking(`"${'['.repeat(50)}\\"${'{'.repeat(50)}"`)],
    ['many that are not nested', asking(`[${'[],{},'.repeat(50)}1]`)],
  ])('that are not nested too deeply are accepted: %s', async (_case, claims) => {
    expect(await push(createRelyingParty(server), { claims })).toMatchObject({ status: 201 })
  })
})

test('REQUIRE_PUSHED_REQUESTS makes every client push (§5)', async () => {
  const strict = await startLatchkey({ env: { REQUIRE_PUSHED_REQUESTS: 'true' } })
  try {
    const metadata = await (await fetch(`${strict.issuer}/.well-known/openid-configuration`)).json()
    expect(metadata).toMatchObject({
      require_pushed_authorization_requests: true,
      pushed_authorization_request_endpoint: `${strict.issuer}/par`,
    })
    const rp = createRelyingParty(strict)
    const page = await rp.browser.get(await rp.authorizeUrl())
    expect(page.next === undefined ? page.status : answerIn(page).error).toBe('invalid_request')
  } finally {
    await strict.stop()
  }
})
