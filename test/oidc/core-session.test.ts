/** The session of another account, another browser and another tab, and the session id at login. */
import { createBrowser } from '../support/browser.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey } from '../support/latchkey.ts'
import { answerIn, claimsIn, hours, minutes, sessionCookie, signedIn } from './support.ts'

let server: Latchkey
const bob = { email: 'bob@example.com', password: 'a caucus-race and a long tale' }
const alice = { email: 'alice@example.com', password: 'wonderland tea party' }

beforeAll(async () => {
  server = await startLatchkey()
  await server.parts.accounts.create(
    { email: bob.email, isEmailVerified: true, roles: [], password: bob.password },
    { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } },
  )
})
afterAll(() => server.stop())

type RelyingParty = ReturnType<typeof createRelyingParty>
const start = async ({ browser, authorizeUrl }: RelyingParty, parameters: Record<string, string> = {}) =>
  browser.follow(await browser.get(await authorizeUrl(parameters)))

/** Whether the session cookie `value`, with its signature, still belongs to a signed-in session. */
async function isAlive(relyingParty: RelyingParty, header: string): Promise<boolean> {
  const response = await fetch(await relyingParty.authorizeUrl({ prompt: 'none' }), {
    headers: { Cookie: header },
    redirect: 'manual',
  })
  const { searchParams } = new URL(response.headers.get('Location')!)
  return searchParams.get('error') !== 'login_required'
}
const cookieHeader = ({ browser }: RelyingParty): Promise<string> => browser.jar.getCookieString(server.issuer)

describe('use another account', () => {
  test.each([
    ['the account page', 'select_account'],
    ['the consent page', 'consent'],
  ])('on %s leads to the login page, where another user signs in and the first session ends', async (_page, prompt) => {
    const relyingParty = await signedIn(server)
    const { sub, sid } = claimsIn(relyingParty.tokens.id_token)
    const login = await relyingParty.browser.submit(await start(relyingParty, { prompt }), '/switch')
    expect(login.status).toBe(200)
    expect(login.body).not.toContain(alice.email)
    const { code } = await relyingParty.complete(await relyingParty.browser.submit(login, '/login', bob))
    const claims = claimsIn((await relyingParty.exchange(code!)).body.id_token)
    expect(claims.sub).not.toBe(sub)
    expect(claims.sid).not.toBe(sid)
    expect((await relyingParty.userinfo(relyingParty.tokens.access_token)).status).toBe(401)
  })

  test('showing the login page changes nothing: the first user is still signed in', async () => {
    const relyingParty = await signedIn(server)
    await relyingParty.browser.submit(await start(relyingParty, { prompt: 'select_account' }), '/switch')
    expect(await relyingParty.authorize({ prompt: 'none' })).toHaveProperty('code')
    expect((await relyingParty.userinfo(relyingParty.tokens.access_token)).status).toBe(200)
  })

  test('a second sign-in of the same user keeps the session and its tokens', async () => {
    const relyingParty = await signedIn(server)
    const { sid } = claimsIn(relyingParty.tokens.id_token)
    const login = await relyingParty.browser.submit(await start(relyingParty, { prompt: 'select_account' }), '/switch')
    const { code } = await relyingParty.complete(await relyingParty.browser.submit(login, '/login', alice))
    expect(claimsIn((await relyingParty.exchange(code!)).body.id_token).sid).toBe(sid)
    expect((await relyingParty.userinfo(relyingParty.tokens.access_token)).status).toBe(200)
  })
})

describe("prompt=login answered with another user's credentials", () => {
  test('ends the first session and its tokens without offline access, and no others', async () => {
    const relyingParty = await signedIn(server)
    const online = relyingParty.tokens
    const offline = await relyingParty.signIn({ scope: 'openid offline_access' })
    const elsewhere = await signedIn(server)
    const before = await cookieHeader(relyingParty)

    const { code } = await relyingParty.complete(await start(relyingParty, { prompt: 'login' }), bob)
    const tokens = (await relyingParty.exchange(code!)).body

    expect(claimsIn(tokens.id_token).sub).not.toBe(claimsIn(online.id_token).sub)
    expect((await relyingParty.userinfo(online.access_token)).status).toBe(401)
    expect((await relyingParty.refresh(online.refresh_token)).body.error).toBe('invalid_grant')
    expect((await relyingParty.userinfo(offline.access_token)).status).toBe(200)
    expect((await relyingParty.refresh(offline.refresh_token)).status).toBe(200)
    expect((await elsewhere.refresh(elsewhere.tokens.refresh_token)).status).toBe(200)
    expect(await isAlive(relyingParty, before)).toBe(false)
    expect((await relyingParty.userinfo(tokens.access_token)).status).toBe(200)
  })

  test('makes a code that was not yet redeemed invalid', async () => {
    const relyingParty = await signedIn(server)
    const { code } = await relyingParty.authorize()
    await relyingParty.complete(await start(relyingParty, { prompt: 'login' }), bob)
    expect((await relyingParty.exchange(code!)).body.error).toBe('invalid_grant')
  })
})

test('a sign-in as another user than in another tab first shows a form that ends the other session, and the form waits for a click', async () => {
  const relyingParty = createRelyingParty(server)
  const tab = await start(relyingParty)
  const tokens = await relyingParty.signIn()
  const resumed = await relyingParty.browser.follow(await relyingParty.browser.submit(tab, '/login', bob))
  expect([resumed.status, resumed.next]).toEqual([200, undefined])
  const end = await relyingParty.browser.submit(resumed, '/logout/confirm')
  expect(end.status).toBe(200)
  const { code } = await relyingParty.complete(end, bob)
  const { sub } = claimsIn((await relyingParty.exchange(code!)).body.id_token)
  expect(sub).not.toBe(claimsIn(tokens.id_token).sub)
  expect((await relyingParty.userinfo(tokens.access_token)).status).toBe(401)
})

describe('an interaction belongs to the browser that began it', () => {
  test('another browser can neither open nor finish it, and the first browser still can', async () => {
    const victim = createRelyingParty(server)
    const page = await start(victim)
    const other = createRelyingParty(server)
    const own = await start(other)

    expect((await other.browser.get(page.url)).status).toBe(400)
    const fields = { ...alice, csrf: /name="csrf" value="([^"]+)"/.exec(own.body)![1]! }
    expect((await other.browser.post(`${page.url}/login`, fields)).status).toBe(400)
    expect((await other.browser.post(`${page.url}/cancel`, { csrf: fields.csrf })).status).toBe(400)
    expect((await createRelyingParty(server).browser.post(`${page.url}/login`, alice)).status).toBe(403)
    expect(await victim.complete(page)).toHaveProperty('code')
  })

  test('another browser cannot resume the answered request', async () => {
    const victim = createRelyingParty(server)
    const answered = await victim.browser.submit(await start(victim), '/login', alice)
    const stolen = await createRelyingParty(server).browser.get(answered.next!)
    expect([stolen.status, stolen.next]).toEqual([400, undefined])
    expect(answerIn(await victim.browser.follow(answered))).toHaveProperty('code')
  })

  test('a consent form before the sign-in is refused with 403', async () => {
    const relyingParty = createRelyingParty(server)
    const page = await start(relyingParty, { scope: 'openid phone' })
    const csrf = /name="csrf" value="([^"]+)"/.exec(page.body)![1]!
    const answer = await relyingParty.browser.post(`${page.url}/consent`, { csrf })
    expect([answer.status, answer.next]).toEqual([403, undefined])
  })

  test('the form that chooses an account does not skip a login', async () => {
    const relyingParty = createRelyingParty(server)
    const page = await start(relyingParty, { prompt: 'login' })
    const csrf = /name="csrf" value="([^"]+)"/.exec(page.body)![1]!
    const end = await relyingParty.browser.follow(await relyingParty.browser.post(`${page.url}/account`, { csrf }))
    expect(end.next).toBeUndefined()
    const signed = await signedIn(server)
    const again = await start(signed, { prompt: 'login' })
    const token = /name="csrf" value="([^"]+)"/.exec(again.body)![1]!
    const skipped = await signed.browser.follow(await signed.browser.post(`${again.url}/account`, { csrf: token }))
    expect(skipped.next).toBeUndefined()
    expect(skipped.body).toContain('name="password"')
  })
})

describe('the session id', () => {
  test('changes at every login, and the previous one is invalid', async () => {
    const relyingParty = createRelyingParty(server)
    // A session before any sign-in, as an attacker could have planted it.
    await relyingParty.browser.get(`${server.issuer}/logout`)
    const planted = await cookieHeader(relyingParty)
    const anonymous = await sessionCookie(relyingParty, server)
    await relyingParty.signIn()
    const first = await cookieHeader(relyingParty)
    expect(await sessionCookie(relyingParty, server)).not.toBe(anonymous)
    expect(await isAlive(relyingParty, planted)).toBe(false)
    expect(await isAlive(relyingParty, first)).toBe(true)

    await relyingParty.signIn({ prompt: 'login' })
    expect(await isAlive(relyingParty, first)).toBe(false)
    expect(await isAlive(relyingParty, await cookieHeader(relyingParty))).toBe(true)
  })

  test('is not accepted from a cookie without its signature, with a wrong one, or under another name', async () => {
    const relyingParty = await signedIn(server)
    const header = await cookieHeader(relyingParty)
    const session = /latchkey\.session=[^;]+/.exec(header)![0]
    const signature = /latchkey\.session\.sig=[^;]+/.exec(header)![0]
    expect(await isAlive(relyingParty, `${session}; ${signature}`)).toBe(true)
    expect(await isAlive(relyingParty, session)).toBe(false)
    expect(await isAlive(relyingParty, `${session}; ${signature.slice(0, -2)}xx`)).toBe(false)
    expect(await isAlive(relyingParty, header.replaceAll('latchkey.session', '_session'))).toBe(false)
  })

  test('the session ends an hour after its last use, and a day after the login at the latest', async () => {
    const relyingParty = await signedIn(server)
    for (let use = 0; use < 25; use += 1) {
      server.clock.advance(minutes(55))
      expect(await relyingParty.authorize({ prompt: 'none' })).toHaveProperty('code')
    }
    server.clock.advance(hours(24) - 25 * minutes(55) + 1000)
    expect((await relyingParty.authorize({ prompt: 'none' })).error).toBe('login_required')

    const idle = await signedIn(server)
    server.clock.advance(hours(1) + 1000)
    expect((await idle.authorize({ prompt: 'none' })).error).toBe('login_required')
  })
})

describe('the cookies over https (RFC 6265bis §4.1.3)', () => {
  const issuer = 'https://login.example.com'
  let secure: Latchkey
  beforeAll(async () => {
    secure = await startLatchkey({ env: { ISSUER: issuer } })
  })
  afterAll(() => secure.stop())

  const visitor = () => createRelyingParty(secure, createBrowser({ reach: (url) => url.replace(issuer, secure.base) }))
  const cookiesOf = async ({ browser }: RelyingParty) => (await browser.jar.serialize()).cookies
  /** The `sub` that a silent request with these cookies gives, or its error. */
  async function subjectOf(cookies: string): Promise<string> {
    const rp = visitor()
    const answer = answerIn(await rp.browser.get(await rp.authorizeUrl({ prompt: 'none' }), { Cookie: cookies }))
    if (answer.code === undefined) return answer.error!
    const direct = createRelyingParty({ issuer: secure.base })
    return claimsIn((await direct.exchange(answer.code)).body.id_token).sub!
  }

  test('each one is Secure, HttpOnly, SameSite=Lax and bound to this host, and has the matching prefix', async () => {
    const rp = visitor()
    const page = await rp.browser.follow(await rp.browser.get(await rp.authorizeUrl()))
    const answered = await rp.browser.submit(page, '/login', alice)
    const cookies = await cookiesOf(rp)
    expect(await rp.complete(answered)).toHaveProperty('code')
    cookies.push(...(await cookiesOf(rp)))
    for (const { key = '', path, domain, hostOnly, secure: isSecure, httpOnly, sameSite } of cookies) {
      expect([key, domain, hostOnly, isSecure, httpOnly, sameSite]).toEqual([
        expect.stringMatching(path === '/' ? /^__Host-/ : /^__Secure-/),
        'login.example.com',
        true,
        true,
        true,
        'lax',
      ])
    }
    const names = cookies.map(({ key }) => key)
    const expected = ['__Host-latchkey.session', '__Host-latchkey.session.sig', '__Secure-latchkey.resume']
    expect(names).toEqual(expect.arrayContaining(expected))
  })

  test('a session cookie without the prefix, or with another one, is ignored, also beside the right cookie', async () => {
    const [attacker, victim] = [visitor(), visitor()]
    await attacker.authorize()
    const { code } = await victim.authorize()
    const { sub } = claimsIn((await createRelyingParty({ issuer: secure.base }).exchange(code!)).body.id_token)
    const planted = (await attacker.browser.jar.getCookieString(issuer))
      .split('; ')
      .filter((cookie) => cookie.includes('latchkey.session'))
      .join('; ')
    expect(await subjectOf(planted)).toBe(sub)
    for (const prefix of ['', '__Secure-', '__host-']) {
      const renamed = planted.replaceAll('__Host-', prefix)
      expect([prefix, await subjectOf(renamed)]).toEqual([prefix, 'login_required'])
    }
  })
})
