/**
 * prompt and max_age (OpenID Connect Core 1.0 §3.1.2.1): when the user is prompted, and the
 * response without a prompt.
 */
import type { Page } from '../support/browser.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey } from '../support/latchkey.ts'
import { answerIn, claimsIn, hours, minutes, signedIn } from './support.ts'

let server: Latchkey

beforeAll(async () => {
  server = await startLatchkey()
})
afterAll(() => server.stop())

type RelyingParty = ReturnType<typeof createRelyingParty>

/** The first page that a request leads to. */
const firstPage = async ({ browser, authorizeUrl }: RelyingParty, parameters: Record<string, string>): Promise<Page> =>
  browser.follow(await browser.get(await authorizeUrl(parameters)))

const isLogin = (page: Page): boolean => page.body.includes('name="password"')
const isConsent = (page: Page): boolean => page.body.includes('/consent"')

/** The pages in order, until the browser is redirected to the client. */
async function pagesOf(relyingParty: RelyingParty, parameters: Record<string, string>): Promise<string[]> {
  const { browser } = relyingParty
  const pages: string[] = []
  let page = await firstPage(relyingParty, parameters)
  while (page.next === undefined && pages.length < 8) {
    const [name, suffix, fields] = isLogin(page)
      ? ['login', '/login', { email: 'alice@example.com', password: 'wonderland tea party' }]
      : isConsent(page)
        ? ['consent', '/consent', {}]
        : ['select_account', '/account', {}]
    pages.push(name as string)
    page = await browser.follow(await browser.submit(page, suffix as string, fields as Record<string, string>))
  }
  expect(answerIn(page).code).toBeDefined()
  return pages
}

const prompted = (error: string) => ({ error, state: 'the-state', iss: server.issuer })

describe('prompt=none never shows a page', () => {
  test('no session: login_required', async () => {
    const relyingParty = createRelyingParty(server)
    const page = await relyingParty.browser.get(await relyingParty.authorizeUrl({ prompt: 'none' }))
    expect(page.status).toBe(303)
    expect(answerIn(page)).toMatchObject(prompted('login_required'))
  })

  test('no consent yet: consent_required', async () => {
    const relyingParty = await signedIn(server)
    expect(await relyingParty.authorize({ prompt: 'none', scope: 'openid address' })).toMatchObject(
      prompted('consent_required'),
    )
  })

  test('signed in and consented: a code', async () => {
    const relyingParty = await signedIn(server)
    const page = await relyingParty.browser.get(await relyingParty.authorizeUrl({ prompt: 'none' }))
    // RFC 9700 §4.12: 303, so that no browser repeats a posted password at the client.
    expect([page.status, answerIn(page)]).toEqual([303, expect.objectContaining({ code: expect.any(String) })])
  })

  test('a native client: interaction_required, because another app may have sent the request (RFC 8252 §8.6)', async () => {
    const native = { client_id: 'native', redirect_uri: 'com.example.app:/callback' }
    const relyingParty = createRelyingParty(server)
    await relyingParty.authorize(native)
    expect(await relyingParty.authorize({ ...native, prompt: 'none' })).toMatchObject(prompted('interaction_required'))
  })

  test('a login older than max_age: login_required', async () => {
    const relyingParty = await signedIn(server)
    expect(await relyingParty.authorize({ prompt: 'none', max_age: '600' })).toHaveProperty('code')
    server.clock.advance(minutes(11))
    expect(await relyingParty.authorize({ prompt: 'none', max_age: '600' })).toMatchObject(prompted('login_required'))
    expect(await relyingParty.authorize({ prompt: 'none', max_age: '0' })).toMatchObject(prompted('login_required'))
    expect(await relyingParty.authorize({ prompt: 'none' })).toHaveProperty('code')
  })

  test('an id_token_hint of another account: login_required; of the same account: a code (§3.1.2.1)', async () => {
    const relyingParty = await signedIn(server)
    const hint = relyingParty.tokens.id_token
    expect(await relyingParty.authorize({ prompt: 'none', id_token_hint: hint })).toHaveProperty('code')
    await addPerson('hint@example.com')
    const other = createRelyingParty(server)
    await other.complete(await other.browser.get(await other.authorizeUrl()), { email: 'hint@example.com' })
    expect(await other.authorize({ prompt: 'none', id_token_hint: hint })).toMatchObject(prompted('login_required'))
  })

  test('an expired session: login_required', async () => {
    const relyingParty = await signedIn(server)
    server.clock.advance(hours(1) + 1000)
    expect(await relyingParty.authorize({ prompt: 'none' })).toMatchObject(prompted('login_required'))
  })
})

const addPerson = (email: string) =>
  server.parts.accounts.create(
    { email, isEmailVerified: true, roles: [], password: 'wonderland tea party' },
    { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } },
  )

describe('which pages a signed-in user with a remembered consent sees', () => {
  test.each([
    [undefined, []],
    ['login', ['login']],
    ['consent', ['consent']],
    ['select_account', ['select_account']],
    ['login consent', ['login', 'consent']],
    ['consent login', ['login', 'consent']],
    ['select_account login', ['select_account', 'login']],
    ['select_account consent', ['select_account', 'consent']],
    ['login consent select_account', ['select_account', 'login', 'consent']],
  ])('prompt=%s: %j', async (prompt, pages) => {
    const relyingParty = await signedIn(server)
    expect(await pagesOf(relyingParty, prompt === undefined ? {} : { prompt })).toEqual(pages)
  })

  test.each([
    [undefined, ['login']],
    ['login', ['login']],
    ['select_account', ['login']],
    ['consent', ['login', 'consent']],
    ['select_account login consent', ['login', 'consent']],
  ])('without a session, prompt=%s: %j', async (prompt, pages) => {
    await signedIn(server)
    expect(await pagesOf(createRelyingParty(server), prompt === undefined ? {} : { prompt })).toEqual(pages)
  })
})

describe('auth_time is the time of the login (§2)', () => {
  test('it does not change while the session is used, and changes after a login for prompt=login or max_age', async () => {
    const relyingParty = await signedIn(server)
    const first = claimsIn(relyingParty.tokens.id_token)
    expect(first.auth_time).toBe(Math.floor(server.clock.now() / 1000))
    server.clock.advance(minutes(5))
    expect(claimsIn((await relyingParty.signIn()).id_token).auth_time).toBe(first.auth_time)
    expect(await pagesOf(relyingParty, { max_age: '600' })).toEqual([])
    expect(await pagesOf(relyingParty, { max_age: '60' })).toEqual(['login'])
    const second = claimsIn((await relyingParty.signIn()).id_token)
    expect(second.auth_time).toBe(Math.floor(server.clock.now() / 1000))
    expect(second).toMatchObject({ sub: first.sub, sid: first.sid })
    server.clock.advance(minutes(1))
    const third = claimsIn((await relyingParty.signIn({ prompt: 'login' })).id_token)
    expect(third.auth_time).toBe(Math.floor(server.clock.now() / 1000))
    server.clock.advance(minutes(1))
    expect(await pagesOf(relyingParty, { max_age: '0' })).toEqual(['login'])
  })

  test('prompt=login with a wrong password shows the login page again, and auth_time does not change', async () => {
    const relyingParty = await signedIn(server)
    const { auth_time: before } = claimsIn(relyingParty.tokens.id_token)
    server.clock.advance(minutes(1))
    const login = await firstPage(relyingParty, { prompt: 'login' })
    const again = await relyingParty.browser.submit(login, '/login', { email: 'alice@example.com', password: 'wrong' })
    expect([again.status, isLogin(again), again.next]).toEqual([400, true, undefined])
    expect(claimsIn((await relyingParty.signIn()).id_token).auth_time).toBe(before)
  })

  test("a client's default_max_age asks as max_age does (OpenID Connect Registration §2)", async () => {
    await server.addClient({
      clientId: 'fresh',
      kind: 'web',
      secret: 'a secret of more than thirty-two characters',
      isFirstParty: true,
      metadata: { client_name: 'Fresh', redirect_uris: ['https://fresh.example/cb'], default_max_age: 60 },
    })
    const fresh = { client_id: 'fresh', redirect_uri: 'https://fresh.example/cb' }
    const relyingParty = await signedIn(server)
    expect(await pagesOf(relyingParty, fresh)).toEqual([])
    server.clock.advance(minutes(2))
    expect(await pagesOf(relyingParty, fresh)).toEqual(['login'])
  })
})

describe('the user cancels', () => {
  test.each([
    ['the login page', {}],
    ['the consent page', { prompt: 'consent' }],
    ['the account page', { prompt: 'select_account' }],
  ])(
    'cancel on %s returns access_denied to the client, with state and iss (RFC 6749 §4.1.2.1)',
    async (_page, parameters) => {
      const relyingParty =
        Object.keys(parameters).length === 0 ? createRelyingParty(server) : await signedIn(server, { scope: 'openid' })
      const page = await firstPage(relyingParty, parameters)
      const end = await relyingParty.browser.submit(page, '/cancel')
      expect(end.status).toBe(200)
      expect(answerIn(await relyingParty.browser.follow(end))).toMatchObject(prompted('access_denied'))
    },
  )

  test('an answered interaction cannot be answered again, and an interaction expires after an hour', async () => {
    const relyingParty = createRelyingParty(server)
    const page = await firstPage(relyingParty, {})
    const credentials = { email: 'alice@example.com', password: 'wonderland tea party' }
    await relyingParty.browser.follow(await relyingParty.browser.submit(page, '/login', credentials))
    expect((await relyingParty.browser.submit(page, '/login', credentials)).status).toBe(400)
    expect((await relyingParty.browser.get(page.url)).status).toBe(400)

    const late = createRelyingParty(server)
    const left = await firstPage(late, {})
    server.clock.advance(minutes(59))
    expect((await late.browser.get(left.url)).status).toBe(200)
    server.clock.advance(minutes(2))
    expect((await late.browser.get(left.url)).status).toBe(400)
    expect((await late.browser.submit(left, '/login', credentials)).status).toBe(400)
  })
})
