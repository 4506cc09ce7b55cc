/**
 * Recovery: a link by email to a new password. One answer and one time for every address; the link
 * works once, and does not sign in.
 */

import { testOrigin } from '../audit/origins.ts'
import type { AccountSetup } from '../registration/setup.ts'
import { goodPassword, openAccountSetup, operator, otherPassword } from '../registration/setup.ts'
import { createBrowser } from '../support/browser.ts'
import { createRelyingParty, testPassword } from '../support/latchkey.ts'
import { waitFor } from '../support/wait.ts'

let setup: AccountSetup
beforeAll(async () => {
  setup = await openAccountSetup()
})
afterAll(() => setup?.close())

const withoutToken = (body: string) => body.replace(/name="csrf" value="[^"]+"/g, '')
const outcomes = async () =>
  (await setup.server.parts.metrics.getSingleMetric('latchkey_mails_total')!.get()).values.map(
    ({ labels, value }) => `${labels.mail} ${labels.outcome} ${value}`,
  )

/** A member with a recovery link. */
async function withLink(email: string) {
  const account = await setup.member(email)
  await setup.askForRecovery(email)
  return { account, link: (await setup.mailbox.waitFor(email, 'recovery')).link! }
}

test('the answer is the same for known, unknown, unproven and disabled addresses; only an account that may recover gets an email', async () => {
  const disabled = await setup.member('disabled@example.com')
  await setup.server.parts.accounts.disable(disabled.id, operator)
  await setup.register({ email: 'unproven@example.com' })
  await setup.mailbox.waitFor('unproven@example.com', 'verify')
  const emails = ['alice@example.com', 'unknown@example.com', 'unproven@example.com', 'disabled@example.com']
  const pages = []
  for (const email of emails) pages.push((await setup.askForRecovery(email)).body.replaceAll(email, 'x'))
  expect(new Set(pages.map(withoutToken)).size).toBe(1)
  await setup.mailbox.waitFor('alice@example.com', 'recovery')
  await waitFor(async () => (await outcomes()).includes('recovery nobody 3'))
  expect(setup.mailbox.to('unknown@example.com')).toEqual([])
  expect(setup.mailbox.to('unproven@example.com')).toHaveLength(1)
  expect(setup.mailbox.to('disabled@example.com')).toHaveLength(1)
})

test('a GET of the link changes nothing; its form sets the password, once', async () => {
  const { account, link } = await withLink('once@example.com')
  for (let times = 0; times < 3; times += 1) expect((await createBrowser().get(link)).status).toBe(200)
  const browser = createBrowser()
  const page = await browser.get(link)
  const done = await browser.submit(page, '/recover/password', { password: otherPassword })
  expect(done.status).toBe(200)
  expect(await setup.signsIn(account.email, otherPassword)).toBe(true)
  expect(await setup.signsIn(account.email, goodPassword)).toBe(false)
  const again = await browser.submit(page, '/recover/password', { password: 'a third one that is long enough' })
  expect([again.status, (await browser.get(link)).status]).toEqual([400, 400])
  expect(await setup.signsIn(account.email, otherPassword)).toBe(true)
  expect(await setup.trail(account.id)).toEqual(
    expect.arrayContaining(['account.recovery_requested', 'account.recovered']),
  )
  // The sign-in above came from another browser than the one that recovered: an email reports that
  // too.
  await setup.mailbox.waitFor(account.email, 'password_changed')
})

test('a newer link ends the older one', async () => {
  const { account, link: older } = await withLink('older@example.com')
  const browser = createBrowser()
  const page = await browser.get(older)
  await setup.askForRecovery(account.email)
  const { link: newer } = await setup.mailbox.waitFor(account.email, 'recovery', { count: 2 })
  expect((await browser.get(older)).status).toBe(400)
  expect((await browser.submit(page, '/recover/password', { password: otherPassword })).status).toBe(400)
  expect(await setup.signsIn(account.email, goodPassword)).toBe(true)
  expect((await browser.get(newer!)).status).toBe(200)
})

test('a link is valid for 30 minutes', async () => {
  const { link } = await withLink('minutes@example.com')
  setup.server.clock.advance(30 * 60_000 - 1000)
  expect((await createBrowser().get(link)).status).toBe(200)
  setup.server.clock.advance(1000)
  expect((await createBrowser().get(link)).status).toBe(400)
})

test('a link is valid only for the email that it went to', async () => {
  const { account, link } = await withLink('former@example.com')
  // An email change also ends the link. Here only the email is another one.
  await setup.server.database.knex('account').where({ id: account.id }).update({ email: 'present@example.com' })
  expect((await createBrowser().get(link)).status).toBe(400)
})

test('of 16 concurrent uses of a link one sets its password', async () => {
  const { account, link } = await withLink('parallel@example.com')
  const browser = createBrowser()
  const page = await browser.get(link)
  // The hash queue would refuse most of fifty requests, but this race is for the link.
  const { reset } = setup.server.parts.recovery
  const token = new URL(link).searchParams.get('token')!
  const results = await Promise.allSettled(
    Array.from({ length: 16 }, (_, n) => reset(token, `attempt number ${n} of many`, testOrigin)),
  )
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  const winner = results.findIndex(({ status }) => status === 'fulfilled')
  expect(await setup.signsIn(account.email, `attempt number ${winner} of many`)).toBe(true)
  expect((await browser.submit(page, '/recover/password', { password: otherPassword })).status).toBe(400)
})

test('a recovery starts no session, ends every session and token, and leads back to the sign-in', async () => {
  const email = 'sessions@example.com'
  await setup.member(email)
  const rp = createRelyingParty(setup.server)
  const { code } = await rp.complete(await rp.browser.get(await rp.authorizeUrl({ scope: 'openid offline_access' })), {
    email,
    password: goodPassword,
  })
  const tokens = (await rp.exchange(code!)).body
  const browser = createRelyingParty(setup.server)
  const login = await browser.browser.follow(
    await browser.browser.get(await browser.authorizeUrl({ state: 'kept-through-recovery' })),
  )
  const recoverUrl = setup.at(/href="(\/interaction\/[\w-]+\/recover)"/.exec(login.body)![1]!)
  await browser.browser.submit(await browser.browser.get(recoverUrl), '/recover', { email })
  const { link } = await setup.mailbox.waitFor(email, 'recovery')
  const done = await browser.browser.submit(await browser.browser.get(link!), '/recover/password', {
    password: otherPassword,
  })
  expect(done.headers.getSetCookie().filter((cookie) => /session/.test(cookie))).toEqual([])
  expect(
    new URL((await browser.browser.get(await browser.authorizeUrl({ prompt: 'none' }))).next!).searchParams.get(
      'error',
    ),
  ).toBe('login_required')
  expect((await rp.refresh(tokens.refresh_token)).body).toMatchObject({ error: 'invalid_grant' })
  expect((await rp.userinfo(tokens.access_token)).status).toBe(401)
  expect(
    new URL((await rp.browser.get(await rp.authorizeUrl({ prompt: 'none' }))).next!).searchParams.get('error'),
  ).toBe('login_required')
  const back = setup.at(/class="button" href="(\/interaction\/[\w-]+)"/.exec(done.body)![1]!)
  const answer = await browser.complete(await browser.browser.get(back), { email, password: otherPassword })
  expect(answer).toMatchObject({ state: 'kept-through-recovery', code: expect.any(String) })
})

test('a refused password is shown beside its field and leaves the link valid', async () => {
  const { account, link } = await withLink('refused@example.com')
  const browser = createBrowser()
  let page = await browser.get(link)
  for (const password of ['short', 'x'.repeat(200), '']) {
    page = await browser.submit(page, '/recover/password', { password })
    expect(page.status).toBe(400)
    expect(page.body).toMatch(
      /<input id="password"[^>]* aria-invalid="true" aria-describedby="password-problem password-hint"/,
    )
  }
  expect((await browser.submit(page, '/recover/password', { password: otherPassword })).status).toBe(200)
  expect(await setup.signsIn(account.email, otherPassword)).toBe(true)
})

test('a link to an email that the account no longer has is refused', async () => {
  const { account, link } = await withLink('moved@example.com')
  await setup.server.parts.accounts.update(account.id, { email: 'moved-away@example.com' }, operator)
  expect((await createBrowser().get(link)).status).toBe(400)
})

test('an account that is disabled meanwhile stays as it is', async () => {
  const { account, link } = await withLink('disabled-later@example.com')
  await setup.server.parts.accounts.disable(account.id, operator)
  expect((await createBrowser().get(link)).status).toBe(400)
})

test('at rest a link is a digest', async () => {
  const { link } = await withLink('digest@example.com')
  const token = new URL(link).searchParams.get('token')!
  const { rows } = await setup.server.database.knex.raw('SELECT l::text AS row FROM account_link l')
  const dump = JSON.stringify(rows)
  for (const form of [token, Buffer.from(token, 'base64url').toString('hex'), Buffer.from(token).toString('hex')]) {
    expect(dump).not.toContain(form)
  }
})

test('expired links are removed, once they no longer count for a limit', async () => {
  await withLink('swept@example.com')
  await setup.allEmailsSent()
  setup.server.clock.advance(8 * 24 * 3_600_000)
  await setup.server.parts.emailLinks.sweep()
  expect(await setup.server.database.knex('account_link')).toEqual([])
})

test('alice can still sign in', async () => {
  expect(await setup.signsIn('alice@example.com', testPassword)).toBe(true)
})
