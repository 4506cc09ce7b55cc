/** RP-Initiated Logout 1.0: the confirmation, the exact redirect URIs, and the error pages. */
import { createSecretKey } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader, importJWK, SignJWT } from 'jose'
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey } from '../support/latchkey.ts'
import { says } from '../support/sentences.ts'
import { answerIn, sessionCookie, signedIn } from './support.ts'

let server: Latchkey
const home = 'https://app.example/'

beforeAll(async () => {
  server = await startLatchkey()
})
afterAll(() => server.stop())

const logoutUrl = (parameters: Record<string, string> = {}) =>
  `${server.issuer}/logout?${new URLSearchParams(parameters)}`
type RelyingParty = Pick<ReturnType<typeof createRelyingParty>, 'browser' | 'authorizeUrl'>
const isSignedIn = async ({ browser, authorizeUrl }: RelyingParty) =>
  'code' in answerIn(await browser.get(await authorizeUrl({ prompt: 'none' })))

test('a confirmed logout ends the session, redirects with state, and clears the cache and storage of the site, but not its cookies', async () => {
  const rp = await signedIn(server)
  const parameters = { client_id: 'web', post_logout_redirect_uri: home, state: 'bye' }
  const page = await rp.browser.get(logoutUrl(parameters))
  expect(page.body).toContain('alice@example.com')
  expect(await isSignedIn(rp)).toBe(true)
  const again = await rp.browser.get(logoutUrl(parameters))
  const answer = await rp.browser.submit(again, '/confirm', { logout: 'yes' })
  expect(answer.status).toBe(200)
  expect(answer.next).toBe(`${home}?state=bye`)
  expect(answer.headers.get('Clear-Site-Data')).toBe('"cache", "storage"')
  expect(await sessionCookie(rp, server)).toBeUndefined()
  expect(await isSignedIn(rp)).toBe(false)
})

test('a hint of the current session ends it without a question (§2), with its tokens, but keeps the consent', async () => {
  const rp = await signedIn(server, { scope: 'openid email' })
  const parameters = { id_token_hint: rp.tokens.id_token, post_logout_redirect_uri: home, state: 'bye' }
  const answer = await rp.browser.get(logoutUrl(parameters))
  expect([answer.status, answer.next]).toEqual([303, `${home}?state=bye`])
  expect(answer.headers.get('Clear-Site-Data')).toBe('"cache", "storage"')
  expect(await sessionCookie(rp, server)).toBeUndefined()
  expect(await isSignedIn(rp)).toBe(false)
  expect((await rp.userinfo(rp.tokens.access_token)).status).toBe(401)
  expect((await rp.refresh(rp.tokens.refresh_token)).status).toBe(400)
  const page = await rp.browser.follow(await rp.browser.get(await rp.authorizeUrl({ scope: 'openid email' })))
  const login = { email: 'alice@example.com', password: 'wonderland tea party' }
  const last = await rp.browser.follow(await rp.browser.submit(page, '/login', login))
  expect(answerIn(last)).toHaveProperty('code')
})

test('a logout without post_logout_redirect_uri ends at the page that confirms it', async () => {
  const rp = await signedIn(server)
  const last = await rp.browser.follow(await rp.browser.get(logoutUrl({ id_token_hint: rp.tokens.id_token })))
  expect([last.status, new URL(last.url).pathname]).toEqual([200, '/logout/success'])
  expect(await isSignedIn(rp)).toBe(false)
})

test('a hint of another session or of an earlier login shows the confirmation page, and ends no session', async () => {
  const rp = await signedIn(server)
  const other = await signedIn(server)
  expect((await rp.browser.get(logoutUrl({ id_token_hint: other.tokens.id_token }))).body).toContain('/confirm"')
  expect([await isSignedIn(rp), await isSignedIn(other)]).toEqual([true, true])
  await rp.browser.get(logoutUrl({ id_token_hint: rp.tokens.id_token }))
  const again = createRelyingParty(server, rp.browser)
  await again.signIn()
  expect((await rp.browser.get(logoutUrl({ id_token_hint: rp.tokens.id_token }))).body).toContain('/confirm"')
  expect(await isSignedIn(rp)).toBe(true)
})

test('a hint of a client that this session has not signed in to shows the confirmation page', async () => {
  const { tokens } = await signedIn(server)
  const other = createRelyingParty(server)
  const spa = { client_id: 'spa', redirect_uri: 'https://spa.example/callback' }
  expect(await other.authorize(spa)).toHaveProperty('code')
  expect((await other.browser.get(logoutUrl({ id_token_hint: tokens.id_token }))).body).toContain('/confirm"')
  expect(await isSignedIn(other)).toBe(true)
})

test('an unregistered redirect URI is answered on a page also with a hint of this session, which stays', async () => {
  const rp = await signedIn(server)
  const parameters = { id_token_hint: rp.tokens.id_token, post_logout_redirect_uri: 'https://evil.example/' }
  const page = await rp.browser.get(logoutUrl(parameters))
  expect([page.status, page.next]).toEqual([400, undefined])
  expect(await isSignedIn(rp)).toBe(true)
})

describe('a hint that is not a plain ID token of this server (RFC 8725 §3) is answered on a page, and the session stays:', () => {
  /** The hint's claims under another header, signed with its original key. */
  async function resigned(jwt: string, header: Record<string, unknown>): Promise<string> {
    const own = decodeProtectedHeader(jwt)
    const jwk = server.parts.keyRing.current().privateJwks.find(({ kid }) => kid === own.kid)!
    return new SignJWT(decodeJwt(jwt))
      .setProtectedHeader({ ...own, ...header } as never)
      .sign(await importJWK(jwk, String(own.alg)))
  }

  test('the original header and claims, signed again, are accepted: the next cases are refused for their content', async () => {
    const rp = await signedIn(server)
    const answer = await rp.browser.get(logoutUrl({ id_token_hint: await resigned(rp.tokens.id_token, {}) }))
    expect(answer.status).toBe(303)
  })

  test.each<[string, Record<string, unknown>]>([
    ['jwk', { jwk: { kty: 'EC' } }],
    ['jku', { jku: 'https://evil.example/jwks' }],
    ['x5u', { x5u: 'https://evil.example/cert' }],
    ['x5c', { x5c: ['MIIB'] }],
    ['typ logout+jwt', { typ: 'logout+jwt' }],
    ['typ at+jwt', { typ: 'at+jwt' }],
  ])('%s', async (_case, header) => {
    const rp = await signedIn(server)
    const hint = await resigned(rp.tokens.id_token, header)
    const page = await rp.browser.get(logoutUrl({ id_token_hint: hint }))
    expect([page.status, page.next]).toEqual([400, undefined])
    expect(await isSignedIn(rp)).toBe(true)
    const asked = await rp.browser.get(await rp.authorizeUrl({ prompt: 'none', id_token_hint: hint }))
    expect(answerIn(asked).error).toBe('invalid_request')
  })

  test('alg none, an HMAC over the public key, and an unknown critical extension', async () => {
    const rp = await signedIn(server)
    const [header = '', payload = '', signature = ''] = rp.tokens.id_token.split('.')
    const own = JSON.parse(Buffer.from(header, 'base64url').toString())
    const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const publicJwk = server.parts.keyRing.current().publicJwks.find(({ kid }) => kid === own.kid)!
    const secret = createSecretKey(Buffer.from(JSON.stringify(publicJwk)))
    for (const hint of [
      `${encoded({ ...own, alg: 'none' })}.${payload}.`,
      `${encoded({ ...own, crit: ['x'], x: 1 })}.${payload}.${signature}`,
      await new SignJWT(decodeJwt(rp.tokens.id_token)).setProtectedHeader({ ...own, alg: 'HS256' }).sign(secret),
    ]) {
      expect((await rp.browser.get(logoutUrl({ id_token_hint: hint }))).status).toBe(400)
    }
    expect(await isSignedIn(rp)).toBe(true)
  })
})

test('after a logout the previous session cookie is invalid', async () => {
  const rp = await signedIn(server)
  const cookies = await rp.browser.jar.getCookieString(server.issuer)
  await rp.browser.submit(await rp.browser.get(logoutUrl()), '/confirm', { logout: 'yes' })
  const response = await fetch(await rp.authorizeUrl({ prompt: 'none' }), {
    headers: { Cookie: cookies },
    redirect: 'manual',
  })
  expect(response.headers.get('Location')).toContain('error=login_required')
})

test('a declined logout keeps the session', async () => {
  const rp = await signedIn(server)
  const answer = await rp.browser.submit(await rp.browser.get(logoutUrl()), '/confirm')
  expect(answer.status).toBe(200)
  expect(await isSignedIn(rp)).toBe(true)
})

test('a confirmed logout without a client ends at the page that confirms it', async () => {
  const rp = await signedIn(server)
  const answer = await rp.browser.submit(await rp.browser.get(logoutUrl()), '/confirm', { logout: 'yes' })
  const last = await rp.browser.follow(answer)
  expect([last.status, new URL(last.url).pathname]).toEqual([200, '/logout/success'])
})

test('a logout without a session stores nothing and sets no session cookie', async () => {
  const sessions = async () => (await server.database.knex('artifact').where({ model: 1 })).length
  const before = await sessions()
  const answer = await fetch(logoutUrl({ client_id: 'web', post_logout_redirect_uri: home }), { redirect: 'manual' })
  expect([answer.status, answer.headers.get('Location')]).toEqual([303, home])
  expect(answer.headers.getSetCookie().filter((cookie) => cookie.includes('session'))).toEqual([])
  expect(await sessions()).toBe(before)
})

test('a logout without a session redirects without a confirmation page', async () => {
  const { browser } = createRelyingParty(server)
  const page = await browser.get(logoutUrl({ client_id: 'web', post_logout_redirect_uri: home, state: 'x' }))
  expect([page.status, page.next]).toEqual([303, `${home}?state=x`])
})

test.each([
  'https://evil.example/',
  `${home}x`,
  'javascript:alert(1)',
  '//evil.example',
  home.slice(0, -1),
  `${home}?x=1`,
])('an unregistered redirect URI is answered on a page, and the session stays: %s', async (uri) => {
  const rp = await signedIn(server)
  const page = await rp.browser.get(logoutUrl({ client_id: 'web', post_logout_redirect_uri: uri }))
  expect([page.status, page.next]).toEqual([400, undefined])
  expect(await isSignedIn(rp)).toBe(true)
})

test('an expired hint is accepted; a malformed one, or one of another client, is answered on a page', async () => {
  const rp = await signedIn(server)
  server.clock.advance(11 * 60_000)
  const wrong: Record<string, string>[] = [
    { id_token_hint: 'x' },
    { id_token_hint: `${rp.tokens.id_token}x` },
    { id_token_hint: rp.tokens.id_token, client_id: 'spa' },
    { client_id: 'nobody' },
  ]
  for (const parameters of wrong) {
    const page = await rp.browser.get(logoutUrl(parameters))
    expect([parameters, page.status, page.next]).toEqual([parameters, 400, undefined])
  }
  expect(await isSignedIn(rp)).toBe(true)
  expect((await rp.browser.get(logoutUrl({ id_token_hint: rp.tokens.id_token }))).status).toBe(303)
})

test('a confirmation without the form’s token, or from another site, changes nothing', async () => {
  const rp = await signedIn(server)
  const page = await rp.browser.get(logoutUrl())
  const wrong = await rp.browser.post(`${server.issuer}/logout/confirm`, { xsrf: 'x', logout: 'yes' })
  expect(wrong.status).toBe(400)
  const cross = await rp.browser.submit(page, '/confirm', { logout: 'yes' })
  expect(cross.status).toBe(200)
  const other = await signedIn(server)
  const form = await other.browser.get(logoutUrl())
  const xsrf = /name="xsrf" value="([^"]+)"/.exec(form.body)![1]!
  const headers = { Origin: 'https://evil.example', 'Sec-Fetch-Site': 'cross-site' }
  expect((await other.browser.post(`${server.issuer}/logout/confirm`, { xsrf, logout: 'yes' }, headers)).status).toBe(
    403,
  )
  expect(await isSignedIn(other)).toBe(true)
})

test('a declined logout shows the page that confirms it, and an accepted one the logout page', async () => {
  const rp = createRelyingParty(server)
  await rp.signIn()
  const asked = await rp.browser.get(`${server.issuer}/logout`)
  const stayed = await rp.browser.follow(await rp.browser.submit(asked, '/logout/confirm'))
  expect(stayed.body).toMatch(says('pages.stayedSignedIn.heading'))
  const url = await rp.authorizeUrl({ prompt: 'none' })
  expect(new URL((await rp.browser.get(url)).next!).searchParams.get('code')).toEqual(expect.any(String))
  const again = await rp.browser.get(`${server.issuer}/logout`)
  const left = await rp.browser.follow(await rp.browser.submit(again, '/logout/confirm', { logout: 'yes' }))
  expect(left.body).toMatch(says('pages.loggedOut.heading'))
})
