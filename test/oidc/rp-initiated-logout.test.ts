/** RP-Initiated Logout 1.0: the person is asked, the way back is exact, and what is wrong is said on a page of ours. */
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey } from '../support/latchkey.ts'
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

test('yes ends the session, goes back with state, and clears cache and storage but no cookies', async () => {
  const rp = await signedIn(server)
  const parameters = { id_token_hint: rp.tokens.id_token, post_logout_redirect_uri: home, state: 'bye' }
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

test('the session cookie of before is dead (attack 49)', async () => {
  const rp = await signedIn(server)
  const cookies = await rp.browser.jar.getCookieString(server.issuer)
  await rp.browser.submit(await rp.browser.get(logoutUrl()), '/confirm', { logout: 'yes' })
  const response = await fetch(await rp.authorizeUrl({ prompt: 'none' }), {
    headers: { Cookie: cookies },
    redirect: 'manual',
  })
  expect(response.headers.get('Location')).toContain('error=login_required')
})

test('no keeps it', async () => {
  const rp = await signedIn(server)
  const answer = await rp.browser.submit(await rp.browser.get(logoutUrl()), '/confirm')
  expect(answer.status).toBe(200)
  expect(await isSignedIn(rp)).toBe(true)
})

test('without a client there is a page that says it is done', async () => {
  const rp = await signedIn(server)
  const answer = await rp.browser.submit(await rp.browser.get(logoutUrl()), '/confirm', { logout: 'yes' })
  const last = await rp.browser.follow(answer)
  expect([last.status, new URL(last.url).pathname]).toEqual([200, '/logout/success'])
})

test('with nobody signed in there is nothing to confirm', async () => {
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
])('an address that is not registered is a page, and the session stays (attack 47): %s', async (uri) => {
  const rp = await signedIn(server)
  const page = await rp.browser.get(logoutUrl({ client_id: 'web', post_logout_redirect_uri: uri }))
  expect([page.status, page.next]).toEqual([400, undefined])
  expect(await isSignedIn(rp)).toBe(true)
})

test('an expired hint is a hint still; one that is none, or another client’s, is a page', async () => {
  const rp = await signedIn(server)
  server.clock.advance(11 * 60_000)
  expect((await rp.browser.get(logoutUrl({ id_token_hint: rp.tokens.id_token }))).status).toBe(200)
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
})

test('a confirmation without the form’s token, or from another site, changes nothing (attack 48)', async () => {
  const rp = await signedIn(server)
  const page = await rp.browser.get(logoutUrl())
  const wrong = await rp.browser.post(`${server.issuer}/logout/confirm`, { xsrf: 'x', logout: 'yes' })
  expect(wrong.status).toBe(400)
  const cross = await rp.browser.submit(page, '/confirm', { logout: 'yes' }).catch(() => undefined)
  expect(cross?.status).toBe(200)
  const other = await signedIn(server)
  const form = await other.browser.get(logoutUrl())
  const xsrf = /name="xsrf" value="([^"]+)"/.exec(form.body)![1]!
  const headers = { Origin: 'https://evil.example', 'Sec-Fetch-Site': 'cross-site' }
  expect((await other.browser.post(`${server.issuer}/logout/confirm`, { xsrf, logout: 'yes' }, headers)).status).toBe(
    403,
  )
  expect(await isSignedIn(other)).toBe(true)
})
