/** The account page, used as a browser does, with the login redirects. */
import { auditActions } from '../../src/audit/actions.ts'
import { createSentences } from '../../src/locales.ts'
import { addPhone } from '../mfa/setup.ts'
import { days, minutes } from '../oidc/support.ts'
import type { AccountSetup } from '../registration/setup.ts'
import { goodPassword, openAccountSetup, otherPassword } from '../registration/setup.ts'
import type { Browser, Page } from '../support/browser.ts'
import { createBrowser } from '../support/browser.ts'
import { createRelyingParty } from '../support/latchkey.ts'
import { codesOn, says, sentence } from '../support/sentences.ts'

let setup: AccountSetup
beforeAll(async () => {
  setup = await openAccountSetup()
})
afterAll(() => setup?.close())

const csrfIn = (page: Page) => /name="csrf" value="([^"]+)"/.exec(page.body)![1]!

/** Opens a page of the account and signs in as often as required. */
async function open(browser: Browser, path: string, person: { email: string; password?: string; code?: () => string }) {
  let page = await browser.follow(await browser.get(setup.at(path)))
  for (let steps = 0; steps < 3; steps += 1) {
    const { email, password = goodPassword } = person
    if (page.body.includes('/login"')) page = await browser.submit(page, '/login', { email, password })
    else if (page.body.includes('/factor"')) page = await browser.submit(page, '/factor', { code: person.code!() })
    else break
    page = await browser.follow(page)
  }
  return page
}

async function visitor(name: string, path = '/account') {
  const email = `${name}@example.com`
  const account = await setup.member(email)
  const browser = createBrowser()
  return { account, email, browser, page: await open(browser, path, { email }) }
}

const sessionOf = async (browser: Browser) =>
  (await browser.jar.getCookies(setup.server.issuer)).find(({ key }) => key === 'latchkey.session')?.value

test('an account page leads through the login and back to that page, and never to another URL', async () => {
  const { page, browser, email } = await visitor('door', '/account/applications')
  expect([page.status, new URL(page.url).pathname]).toEqual([200, '/account/applications'])
  expect((await open(browser, '/account', { email })).body).toContain(email)
  for (const state of ['https://evil.example/', '//evil.example', '/account/../authorize', '/accounts']) {
    const back = await browser.get(setup.at(`/account/return?code=x&state=${encodeURIComponent(state)}`))
    expect(back.next).toBe(setup.at('/account'))
  }
  expect((await createBrowser().get(setup.at('/account/return?code=x&state=/account'))).status).toBe(400)
  expect((await browser.get(setup.at('/account/return?error=access_denied'))).next).toBe(setup.at('/'))
})

test("a form of one account's page changes nothing after another account has signed in to the browser", async () => {
  const { browser, page, email } = await visitor('first-tab', '/account/profile')
  const other = await setup.member('second-tab@example.com')
  const rp = createRelyingParty(setup.server, browser)
  await rp.authorize({ prompt: 'login' }, { email: other.email, password: goodPassword })
  const names = () => setup.server.database.knex('account').whereIn('email', [email, other.email]).pluck('name')
  const before = await names()
  const refused = await browser.submit(page, '/account/profile', { name: 'Of the first tab' })
  expect([refused.status, codesOn(refused)]).toEqual([403, ['csrf_failed']])
  expect(await names()).toEqual(before)
  const own = await open(browser, '/account/profile', other)
  expect((await browser.submit(own, '/account/profile', { name: 'Of the second tab' })).status).toBe(303)
})

test("a form of the account's page is valid after the same account has signed in again", async () => {
  const { browser, page, email } = await visitor('again', '/account/profile')
  await createRelyingParty(setup.server, browser).authorize({ prompt: 'login' }, { email, password: goodPassword })
  expect((await browser.submit(page, '/account/profile', { name: 'The same' })).status).toBe(303)
})

test('no client can be registered under the id of the account page, and that client gets no tokens', async () => {
  const metadata = { client_name: 'Evil', redirect_uris: ['https://evil.example/'], scope: 'openid' }
  await expect(setup.server.addClient({ clientId: 'latchkey:account', kind: 'spa', metadata })).rejects.toMatchObject({
    code: 'client_invalid',
  })
  const { browser } = await visitor('codes')
  const url = new URL((await browser.get(setup.at('/account/data'))).next ?? setup.at('/account/data'))
  const rp = createRelyingParty(setup.server, browser)
  const parameters = { client_id: 'latchkey:account', redirect_uri: setup.at('/account/return'), scope: 'openid' }
  const answer = await browser.get(await rp.authorizeUrl(parameters))
  const code = new URL(answer.next!).searchParams.get('code')!
  const fields = {
    grant_type: 'authorization_code',
    code,
    redirect_uri: parameters.redirect_uri,
    client_id: 'latchkey:account',
  }
  // Also refused with the right verifier, which the sender has: the account page needs a session,
  // not a token.
  for (const verifier of ['x'.repeat(43), rp.verifier]) {
    const refused = await rp.call('/token', { ...fields, code_verifier: verifier })
    expect([refused.status, refused.body.error]).toEqual([400, 'invalid_grant'])
  }
  expect(url.pathname).toBe('/account/data')
})

test('the profile is saved, and invalid values are shown beside their fields', async () => {
  const { browser, account, page } = await visitor('profile', '/account/profile')
  const wrong = await browser.submit(page, '/account/profile', { birthdate: 'yesterday', phone_number: '0660' })
  expect(wrong.status).toBe(400)
  expect(wrong.body).toContain('id="birthdate-problem"')
  const saved = await browser.follow(
    await browser.submit(wrong, '/account/profile', { name: '  Zoë 张 ', birthdate: '1990-12-31', phone_number: '' }),
  )
  expect(saved.body).toMatch(says('pages.own.done.profile'))
  expect(await setup.server.parts.accounts.readById(account.id)).toMatchObject({
    name: 'Zoë 张',
    birthdate: '1990-12-31',
  })
})

test('a field that the user may not edit: 400, and nothing changes', async () => {
  const { browser, account, page } = await visitor('greedy', '/account/profile')
  const before = await setup.server.parts.accounts.readById(account.id)
  for (const more of ['emailVerified', 'email_verified', 'role', 'roles', '__proto__', 'constructor', 'id', 'email']) {
    const answer = await browser.submit(page, '/account/profile', { name: 'Changed', [more]: 'admin' })
    expect([more, answer.status]).toEqual([more, 400])
  }
  expect(await setup.server.parts.accounts.readById(account.id)).toEqual(before)
})

test('a new password requires the old one, keeps this session under a new id, and ends the others (ASVS 7.2.4)', async () => {
  const { browser, email, page } = await visitor('password', '/account/password')
  const elsewhere = createBrowser()
  await open(elsewhere, '/account', { email })
  const refused = await browser.submit(page, '/account/password', { currentPassword: 'wrong', password: otherPassword })
  expect(refused.status).toBe(403)
  expect(refused.body).toContain('id="currentPassword-problem"')
  const weak = await browser.submit(page, '/account/password', { currentPassword: goodPassword, password: 'short' })
  expect(weak.status).toBe(400)
  const old = await sessionOf(browser)
  const changed = await browser.submit(page, '/account/password', {
    currentPassword: goodPassword,
    password: otherPassword,
  })
  expect(changed.next).toBe(setup.at('/account?done=password'))
  expect(await sessionOf(browser)).not.toBe(old)
  expect((await browser.get(changed.next!)).body).toMatch(says('pages.own.done.password'))
  const thief = createBrowser()
  await thief.jar.setCookie(`latchkey.session=${old}`, setup.server.issuer)
  expect((await thief.get(setup.at('/account'))).status).toBe(303)
  expect((await elsewhere.get(setup.at('/account'))).status).toBe(303)
  expect(await setup.signsIn(email, otherPassword)).toBe(true)
})

test('a form for email, password, factors or deletion after a login older than five minutes: 403, and nothing changes', async () => {
  const { browser, email, account, page } = await visitor('old-login')
  const csrf = csrfIn(await browser.get(setup.at('/account/profile')))
  setup.server.clock.advance(minutes(5) + 1000)
  const forms: Record<string, Record<string, string>> = {
    '/account/password': { currentPassword: goodPassword, password: otherPassword },
    '/account/email': { currentPassword: goodPassword, email: 'new-one@example.com' },
    '/account/factors/app': { offer: 'x', code: '000000' },
    '/account/factors/app/remove': {},
    '/account/factors/codes': {},
    '/account/data/delete': { currentPassword: goodPassword, sure: 'yes' },
  }
  for (const [path, fields] of Object.entries(forms)) {
    const answer = await browser.post(setup.at(path), { csrf, ...fields })
    expect([path, answer.status]).toEqual([path, 403])
  }
  expect(page.status).toBe(200)
  expect(await setup.account(email)).toMatchObject({ id: account.id, email, deleteAt: undefined })
  expect(await setup.signsIn(email, goodPassword)).toBe(true)
  // The page itself is available and asks for the password again.
  const again = await browser.follow(await browser.get(setup.at('/account/password')))
  expect(again.body).toContain('/login"')
})

test('a new email is set when its link is confirmed, and this session continues', async () => {
  const { browser, email, page } = await visitor('moving', '/account/email')
  const next = 'moved@example.com'
  await browser.submit(page, '/account/email', { currentPassword: goodPassword, email: next })
  const { link } = await setup.mailbox.waitFor(next, 'email_change')
  expect(await setup.account(email)).toBeDefined()
  await browser.submit(await browser.get(link!), '/email-change')
  expect(await setup.account(email)).toBeUndefined()
  expect((await browser.get(setup.at('/account'))).body).toContain(next)
})

test('sessions are listed by browser; another user’s cannot be ended by its id', async () => {
  const mine = await visitor('mine', '/account/sessions')
  const theirs = await visitor('theirs', '/account/sessions')
  const handles = async (id: string) =>
    (await setup.server.parts.revocation.listAccess(id)).sessions.map(({ handle }) => handle)
  const [foreign] = await handles(theirs.account.id)
  const csrf = csrfIn(await mine.browser.get(setup.at('/account/profile')))
  for (const session of [foreign!, 'x', 'x'.repeat(43)]) {
    const answer = await mine.browser.post(setup.at('/account/sessions/end'), { csrf, session })
    expect(answer.status).toBe(404)
  }
  expect((await theirs.browser.get(setup.at('/account'))).status).toBe(200)

  const firefox = createBrowser()
  const agent = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'
  const start = await firefox.get(setup.at('/account'))
  const login = await firefox.follow(start)
  const done = await firefox.submit(login, '/login', { email: mine.email, password: goodPassword })
  await firefox.get((await firefox.get(done.next!, { 'User-Agent': agent })).next!)
  const listed = await mine.browser.get(setup.at('/account/sessions'))
  expect(listed.body).toMatch(says('pages.own.sessions.browser', { browser: 'Firefox', system: 'Linux' }))
  expect(listed.body.split(sentence('pages.own.sessions.this'))).toHaveLength(2)
  await mine.browser.submit(listed, '/account/sessions/end')
  expect((await firefox.get(setup.at('/account'))).status).toBe(303)
  await open(firefox, '/account', { email: mine.email })
  await mine.browser.submit(await mine.browser.get(setup.at('/account/sessions')), '/account/sessions/end-others')
  expect((await firefox.get(setup.at('/account'))).status).toBe(303)
  expect((await mine.browser.get(setup.at('/account'))).status).toBe(200)
})

test('applications are listed, and a withdrawal ends their tokens and consent', async () => {
  const { browser, email } = await visitor('apps')
  const rp = createRelyingParty(setup.server, browser)
  const tokens = await rp.signIn({ scope: 'openid email offline_access' }, { email, password: goodPassword })
  const page = await browser.get(setup.at('/account/applications'))
  expect(page.body).toContain('Web App')
  expect(page.body).not.toContain(`${sentence('pages.own.clientName')}</bdi>`)
  const gone = await browser.follow(await browser.submit(page, '/account/applications/withdraw'))
  expect(gone.body).toMatch(says('pages.own.done.withdrawn'))
  expect((await rp.refresh(tokens.refresh_token)).body.error).toBe('invalid_grant')
  expect((await browser.get(setup.at('/account/applications'))).body).not.toContain('Web App')
  const asked = await browser.follow(await browser.get(await rp.authorizeUrl({ scope: 'openid email' })))
  expect(asked.body).toContain('/consent"')
})

test('the events and the download contain what happened, and no secret', async () => {
  const { browser, email } = await visitor('curious')
  const events = await browser.get(setup.at('/account/events'))
  for (const action of ['account.registered', 'account.email_verified', 'account.signed_in']) {
    expect(events.body).toMatch(says(`pages.own.event.${action}`))
  }
  const file = await browser.get(setup.at('/account/data/download'))
  expect(file.headers.get('Content-Disposition')).toContain('attachment')
  const data = JSON.parse(file.body)
  expect(data.account).toMatchObject({ email, email_verified: true })
  expect(data.sessions).toHaveLength(1)
  expect(file.body).not.toMatch(/argon2|password_hash|digest|handle/)
})

test('factors: set up, used, renewed and removed, each with an email', async () => {
  const { browser, email, account, page } = await visitor('factors', '/account/factors')
  expect(page.body).toMatch(says('pages.own.factors.app.add'))
  const { phone } = await addPhone(setup.server, email)
  // The earlier login had no factor, so a factor is now required.
  expect((await browser.get(`${setup.server.issuer}/account/factors`)).status).toBe(303)
  const asked = await open(browser, '/account/factors', { email, code: phone.code })
  expect(asked.body).toMatch(says('pages.own.factors.app.since'))
  const codes = await browser.submit(asked, '/codes')
  expect(codes.body.match(/[0-9A-Z]{6}(-[0-9A-Z]{6}){3}/g)).toHaveLength(10)
  const removed = await browser.follow(await browser.submit(asked, '/app/remove'))
  expect(removed.body).toMatch(says('pages.own.done.removed'))
  expect(await setup.server.parts.factors.show(account.id)).toMatchObject({ enrolled: [], recoveryCodes: 0 })
  await setup.allEmailsSent()
  const told = (['factor_added', 'factor_removed'] as const).map((name) => setup.mailbox.listOf(email, name).length)
  expect(told).toEqual([2, 1])
})

describe('account deletion', () => {
  async function leave(name: string) {
    const who = await visitor(name, '/account/data')
    const rp = createRelyingParty(setup.server, createBrowser())
    const tokens = await rp.signIn({ scope: 'openid offline_access' }, { email: who.email, password: goodPassword })
    const unsure = await who.browser.submit(who.page, '/account/data/delete', { currentPassword: goodPassword })
    expect(unsure.status).toBe(400)
    const wrong = await who.browser.submit(who.page, '/account/data/delete', { currentPassword: 'no', sure: 'yes' })
    expect(wrong.status).toBe(403)
    expect((await setup.account(who.email))!.deleteAt).toBeUndefined()
    const left = await who.browser.follow(
      await who.browser.submit(who.page, '/account/data/delete', { currentPassword: goodPassword, sure: 'yes' }),
    )
    expect(left.body).toMatch(says('pages.own.leaving.heading'))
    return { ...who, rp, tokens, left }
  }

  test('all tokens end at once, no application accepts a sign-in, and the deletion can be cancelled', async () => {
    const { browser, email, rp, tokens, left } = await leave('stays')
    expect((await rp.refresh(tokens.refresh_token)).body.error).toBe('invalid_grant')
    const login = await rp.browser.follow(await rp.browser.get(await rp.authorizeUrl()))
    const refused = await rp.browser.submit(login, '/login', { email, password: goodPassword })
    expect(refused.status).toBe(403)
    expect(refused.body).toMatch(says('errors.account_leaving', { url: setup.at('/account') }))
    // The session of the account page is not valid for an application.
    const sso = createRelyingParty(setup.server, browser)
    expect((await browser.follow(await browser.get(await sso.authorizeUrl()))).body).toContain('/login"')
    const silent = await browser.get(await sso.authorizeUrl({ prompt: 'none' }))
    expect(new URL(silent.next!).searchParams.get('error')).toBe('login_required')

    const kept = await browser.follow(await browser.submit(left, '/account/keep'))
    expect(kept.body).toMatch(says('pages.own.done.kept'))
    expect(await setup.signsIn(email, goodPassword)).toBe(true)
  })

  test('after the grace period the account is deleted, and an email confirms it', async () => {
    const { email, account } = await leave('goes')
    setup.server.clock.advance(days(14) - 1000)
    expect(await setup.server.parts.accountDeletion.deleteDue()).toBe(0)
    setup.server.clock.advance(1000)
    expect(await setup.server.parts.accountDeletion.deleteDue()).toBe(1)
    expect(await setup.server.parts.accounts.readById(account.id)).toBeUndefined()
    await setup.mailbox.waitFor(email, 'account_deleted')
    expect(await setup.trail(account.id)).toContain('account.deleted')
  })
})

test('every audit action on an account has a sentence on the events page', async () => {
  const about = auditActions.filter((action) => /^(account|factor)\./.test(action) || action === 'consent.withdrawn')
  expect(about.length).toBeGreaterThan(30)
  const { has } = createSentences({ isStrict: true })
  expect(about.filter((action) => !has(`pages.own.event.${action}`))).toEqual([])
})
