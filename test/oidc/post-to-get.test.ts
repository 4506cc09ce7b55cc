/**
 * POST at the authorization and end-session endpoints (OpenID Connect Core 1.0 §3.1.2.1): a 303 to
 * the same request as GET.
 */
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey } from '../support/latchkey.ts'
import { answerIn, minutes, signedIn } from './support.ts'

let server: Latchkey

beforeAll(async () => {
  server = await startLatchkey()
})
afterAll(() => server.stop())

const foreign = { Origin: 'https://app.example', 'Sec-Fetch-Site': 'cross-site' }

/** A form post from another site: its fields and no cookies, because they are SameSite=Lax. */
async function crossSitePost(url: string, extra: Record<string, string> = {}) {
  const { searchParams, origin, pathname } = new URL(url)
  const body = new URLSearchParams([...searchParams, ...Object.entries(extra)])
  return fetch(origin + pathname, { method: 'POST', body, headers: { ...foreign, Cookie: '' }, redirect: 'manual' })
}

test('a cross-site POST with prompt=none finds the session after the redirect to GET', async () => {
  const { browser, authorizeUrl } = await signedIn(server)
  const response = await crossSitePost(await authorizeUrl({ prompt: 'none', state: 'posted' }))
  expect(response.status).toBe(303)
  expect(response.headers.getSetCookie()).toEqual([])
  const page = await browser.get(new URL(response.headers.get('Location')!, server.issuer).href)
  expect(answerIn(page)).toMatchObject({ state: 'posted', code: expect.any(String), iss: server.issuer })
})

test('a posted request that is too long for a URL is stored encrypted, for one GET', async () => {
  const { browser, authorizeUrl } = await signedIn(server)
  // The claims parameter may be 16,000 characters long.
  const claims = JSON.stringify({ userinfo: { email: null }, padding: 'x'.repeat(9_000) })
  const url = await authorizeUrl({ prompt: 'consent', state: 'long' })
  const response = await crossSitePost(url, { claims })
  expect(response.status).toBe(303)
  const location = new URL(response.headers.get('Location')!, server.issuer)
  expect(location.href.length).toBeLessThan(200)
  const rp = createRelyingParty(server, browser)
  expect(await rp.complete(await browser.get(location.href))).toMatchObject({ state: 'long', code: expect.any(String) })
  const again = await browser.get(location.href)
  expect([again.status, again.next]).toEqual([400, undefined])

  const late = await crossSitePost(url, { claims })
  server.clock.advance(minutes(2))
  expect((await browser.get(new URL(late.headers.get('Location')!, server.issuer).href)).status).toBe(400)
})

test('a repeated parameter in a POST is refused (RFC 6749 §3.1)', async () => {
  const { authorizeUrl, browser } = createRelyingParty(server)
  const { searchParams } = new URL(await authorizeUrl())
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
  const body = `${searchParams}&state=another`
  const response = await fetch(`${server.issuer}/authorize`, { method: 'POST', body, headers, redirect: 'manual' })
  const page = await browser.get(new URL(response.headers.get('Location')!, server.issuer).href)
  expect(page.status === 400 || answerIn(page).error === 'invalid_request').toBe(true)
})

test('a logout by POST shows the confirmation page, like one by GET', async () => {
  const { browser } = await signedIn(server)
  const response = await crossSitePost(`${server.issuer}/logout?client_id=web`)
  expect(response.status).toBe(303)
  const page = await browser.get(new URL(response.headers.get('Location')!, server.issuer).href)
  expect(page.status).toBe(200)
  expect(page.body).toContain('name="logout"')
})

test('an id_token_hint in a posted logout is stored and not put into the URL, and the logout ends the session without a question', async () => {
  const { browser, tokens } = await signedIn(server)
  const hint = { id_token_hint: tokens.id_token, state: 'over' }
  const response = await crossSitePost(`${server.issuer}/logout`, hint)
  const location = response.headers.get('Location')!
  expect([response.status, location]).toEqual([303, expect.stringMatching(/^\/logout\?latchkey_request=[\w-]{43}$/)])
  const page = await browser.get(server.issuer + location)
  // No confirmation page, so the hint was read.
  expect([page.status, page.next ?? page.headers.get('Location')]).toEqual([
    303,
    expect.stringContaining('/logout/success'),
  ])
  expect((await browser.get(server.issuer + location)).status).toBe(400)
})

test.each(['id_token_hint', 'login_hint'])(
  'a posted authorization request with %s is stored and not put into the URL',
  async (name) => {
    const { authorizeUrl } = createRelyingParty(server)
    const response = await crossSitePost(await authorizeUrl(), { [name]: 'alice@example.com' })
    expect(response.headers.get('Location')).toMatch(/^\/authorize\?latchkey_request=[\w-]{43}$/)
  },
)

test.each([
  [415, 'text/plain', 'client_id=web'],
  [415, 'application/json', '{}'],
  [413, 'application/x-www-form-urlencoded', `state=${'x'.repeat(57 * 1024)}`],
])('a body of the wrong type or size is %d: %s', async (status, type, body) => {
  const response = await fetch(`${server.issuer}/authorize`, {
    method: 'POST',
    body,
    headers: { 'Content-Type': type },
  })
  expect(response.status).toBe(status)
})
