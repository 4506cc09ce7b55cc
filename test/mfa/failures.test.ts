/** Wrong codes in a row: ten notify the user, 100 disable the method (SP 800-63B-4 §3.2.2). */
import { byAccount, testOrigin } from '../audit/origins.ts'
import { createBrowser } from '../support/browser.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { startLatchkey } from '../support/latchkey.ts'
import type { Mailbox } from '../support/mailbox.ts'
import { startMailbox } from '../support/mailbox.ts'
import { allEmailsSent } from '../support/outbox.ts'
import { codesOn, says, sentence } from '../support/sentences.ts'
import {
  addPhone,
  createPhone,
  fromBase32,
  goodPassword,
  member,
  offerPhone,
  operator,
  secondsMs,
  toFactor,
} from './setup.ts'

let server: Latchkey
let mailbox: Mailbox
beforeAll(async () => {
  mailbox = await startMailbox()
  server = await startLatchkey({ env: { SMTP_URL: mailbox.url } })
})
afterAll(async () => {
  await server?.stop()
  await mailbox?.close()
})

type Member = Awaited<ReturnType<typeof member>>
let logins = 0

/** Answers in new sign-ins, in-process. Returns the code of each refusal. */
async function answer({ account }: Pick<Member, 'account'>, method: 'totp' | 'recovery_code', codes: string[]) {
  const { loginSteps } = server.parts
  const found: string[] = []
  for (const [index, code] of codes.entries()) {
    // Five wrong codes end a sign-in, and ten in fifteen minutes lock the account's codes.
    if (index % 5 === 0) logins += 1
    if (index % 10 === 0) server.clock.advance(secondsMs(15 * 60 + 1))
    const asked = {
      uid: `login-number-${logins}`,
      clientId: 'web',
      demand: { level: 'password', isEssential: false },
      currentLogin: undefined,
    } as const
    if (index % 5 === 0) await loginSteps.begin(asked, account, 'password', { origin: testOrigin })
    const { code: refusal = 'proven' } = await loginSteps
      .prove(asked, method, { code }, { origin: testOrigin })
      .catch((error) => error)
    found.push(refusal)
  }
  server.clock.advance(secondsMs(15 * 60 + 1))
  return found
}

const wrong = (count: number): string[] => Array(count).fill('000000')
const refused = (count: number): string[] => Array(count).fill('factor_refused')
async function guessEmails(email: string) {
  await allEmailsSent(server.database.knex)
  return mailbox.listOf(email, 'factor_guessed')
}
const actions = async (id: string) => (await server.parts.audit.listOf(id, 500)).map(({ action }) => action)

test('ten wrong codes in a row cause one email to the owner, for each method', async () => {
  const who = await member(server, 'told')
  await answer(who, 'totp', wrong(9))
  await answer(who, 'totp', [who.phone.code(secondsMs(15 * 60 + 1))])
  await answer(who, 'totp', wrong(9))
  expect(await guessEmails(who.email)).toHaveLength(0)
  await answer(who, 'totp', wrong(12))
  const message = await mailbox.waitFor(who.email, 'factor_guessed')
  expect(message.text).toMatch(says('emails.lead.factor_guessed', { factor: sentence('emails.factor.totp') }))
  await answer(who, 'recovery_code', wrong(10))
  const second = await mailbox.waitFor(who.email, 'factor_guessed', { count: 2 })
  expect(second.text).toMatch(says('emails.lead.factor_guessed', { factor: sentence('emails.factor.recovery_code') }))
  expect(await guessEmails(who.email)).toHaveLength(2)
})

test('100 wrong codes in a row disable the method, also for the right code, and the page shows the other methods', async () => {
  const who = await member(server, 'off')
  expect(await answer(who, 'totp', wrong(100))).toEqual(refused(100))
  expect(await server.parts.factors.show(who.account.id)).toMatchObject({ disabled: ['totp'] })
  const { browser, page, ...rp } = await toFactor(server, who.person)
  expect(page.body).toMatch(says('pages.factor.off.totp'))
  expect(page.body).not.toContain('value="totp"')
  expect(page.body).toContain('value="recovery_code"')
  const csrf = /name="csrf" value="([^"]+)"/.exec(page.body)![1]!
  const late = await browser.post(`${page.url}/factor`, { csrf, method: 'totp', code: who.phone.code() })
  expect([late.status, late.next]).toEqual([403, undefined])
  expect(codesOn(late)).toEqual(['factor_off'])
  expect(await actions(who.account.id)).toContain('factor.switched_off')

  // Another factor signs in, and the account page enables the method again.
  await rp.complete(await browser.submit(page, '/factor', { method: 'recovery_code', code: who.codes[0]! }))
  expect(await server.parts.factors.show(who.account.id)).toMatchObject({ disabled: ['totp'] })
  let own = await browser.follow(await browser.get(`${server.issuer}/account/factors`))
  expect(own.body).toMatch(says('pages.own.factors.off.heading.totp'))
  own = await browser.follow(await browser.submit(own, '/switch-on', { method: 'totp' }))
  expect(own.body).not.toMatch(says('pages.own.factors.off.heading.totp'))
  expect(await answer(who, 'totp', [who.phone.code(secondsMs(15 * 60 + 1))])).toEqual(['proven'])
  expect(await actions(who.account.id)).toContain('factor.switched_on')
})

test('a right code resets the count of failures', async () => {
  const who = await member(server, 'anew')
  expect(await answer(who, 'totp', wrong(99))).toEqual(refused(99))
  expect(await answer(who, 'totp', [who.phone.code(secondsMs(15 * 60 + 1))])).toEqual(['proven'])
  expect(await answer(who, 'totp', wrong(99))).toEqual(refused(99))
  expect(await answer(who, 'totp', [who.phone.code(secondsMs(15 * 60 + 1))])).toEqual(['proven'])
})

test('concurrent wrong codes are all counted', async () => {
  const who = await member(server, 'crowd')
  await answer(who, 'totp', wrong(95))
  const { loginSteps } = server.parts
  const outcomes = await Promise.all(
    Array.from({ length: 9 }, async (_, index) => {
      const asked = {
        uid: `crowd-number-${index}`,
        clientId: 'web',
        demand: { level: 'password', isEssential: false },
        currentLogin: undefined,
      } as const
      await loginSteps.begin(asked, who.account, 'password', { origin: testOrigin })
      return loginSteps.prove(asked, 'totp', { code: '000000' }, { origin: testOrigin }).catch((error) => error.code)
    }),
  )
  expect(outcomes.filter((code) => code === 'factor_refused')).toHaveLength(5)
  expect(outcomes.filter((code) => code === 'factor_off')).toHaveLength(4)
})

describe('a disabled method is enabled again', () => {
  test('by user reset-factors and a new enrolment', async () => {
    const who = await member(server, 'reset')
    await answer(who, 'totp', wrong(100))
    await server.parts.factors.reset(who.account.id, operator)
    expect(await server.parts.factors.show(who.account.id)).toMatchObject({ disabled: [], enrolled: [] })
    const { phone } = await addPhone(server, who.email)
    const { browser, page } = await toFactor(server, who.person)
    expect((await browser.submit(page, '/factor', { code: phone.code() })).status).toBe(200)
  })

  test('by a new enrolment of the app', async () => {
    const who = await member(server, 'replaced')
    await answer(who, 'totp', wrong(100))
    const { factors } = server.parts
    const offer = await offerPhone(server.parts, who.account, 'test')
    const phone = createPhone(fromBase32(offer.secret), server.clock)
    const { id, generation } = who.account
    const caller = { accountId: id, generation, by: byAccount(id) }
    await factors.add(caller, 'totp', 'test', { offer: offer.sealed, code: phone.code() })
    expect(await factors.show(who.account.id)).toMatchObject({ disabled: [] })
  })

  test('by the creation of new recovery codes', async () => {
    const who = await member(server, 'new-codes')
    await answer(who, 'recovery_code', wrong(100))
    expect(await server.parts.factors.show(who.account.id)).toMatchObject({ disabled: ['recovery_code'] })
    await server.parts.factors.renewCodes({
      accountId: who.account.id,
      generation: who.account.generation,
      by: byAccount(who.account.id),
    })
    expect(await server.parts.factors.show(who.account.id)).toMatchObject({ disabled: [] })
  })
})

test('if every method is disabled the page says how to get help', async () => {
  const who = await member(server, 'all-off')
  await answer(who, 'totp', wrong(100))
  await answer(who, 'recovery_code', wrong(100))
  const { page } = await toFactor(server, who.person)
  expect(page.body).toMatch(says('pages.factor.off.none'))
  expect(page.body).not.toContain('name="code"')
})

describe('sensitive account pages require the factor', () => {
  const paths = ['/account/password', '/account/email', '/account/data', '/account/factors']

  test('also in a remembered browser', async () => {
    const who = await member(server, 'sensitive')
    const { page, ...rp } = await toFactor(server, who.person)
    await rp.complete(await rp.browser.submit(page, '/factor', { code: who.phone.code(), remember: 'yes' }))
    for (const cookie of await rp.browser.jar.getCookies(server.issuer)) {
      if (cookie.key.startsWith('latchkey.session'))
        await rp.browser.jar.setCookie(`${cookie.key}=; Max-Age=0; Path=/`, server.issuer)
    }
    const { browser } = rp
    const login = await browser.follow(await browser.get(`${server.issuer}/account`))
    const overview = await browser.follow(await browser.submit(login, '/login', who.person))
    expect([overview.status, new URL(overview.url).pathname]).toEqual([200, '/account'])
    const csrf = /name="csrf" value="([^"]+)"/.exec((await browser.get(`${server.issuer}/account/profile`)).body)![1]!
    const forms: Record<string, Record<string, string>> = {
      '/account/password': { currentPassword: goodPassword, password: 'another one altogether' },
      '/account/email': { currentPassword: goodPassword, email: 'elsewhere@people.example' },
      '/account/data/delete': { currentPassword: goodPassword, sure: 'yes' },
      '/account/factors/app/remove': {},
    }
    for (const [path, fields] of Object.entries(forms)) {
      const answer = await browser.post(server.issuer + path, { csrf, ...fields })
      expect([path, answer.status]).toEqual([path, 403])
    }
    for (const path of paths) {
      const asked = await browser.follow(await browser.get(server.issuer + path))
      expect([path, asked.body.includes('/factor"')]).toEqual([path, true])
    }
    // An old login must repeat both, and the remembered browser does not skip the factor.
    server.clock.advance(secondsMs(6 * 60))
    const old = await browser.follow(await browser.get(`${server.issuer}/account/password`))
    expect(old.body).toContain('name="password"')
    const factor = await browser.follow(await browser.submit(old, '/login', who.person))
    expect(factor.body).toContain('/factor"')
    const form = await browser.follow(await browser.submit(factor, '/factor', { code: who.phone.code() }))
    expect(new URL(form.url).pathname).toBe('/account/password')
    expect((await browser.submit(form, '/account/password', { password: 'another one altogether' })).next).toContain(
      'done=password',
    )
  })

  test('but not for an account without a factor', async () => {
    const email = 'without@people.example'
    await server.parts.accounts.create({ email, isEmailVerified: true, password: goodPassword }, operator)
    const browser = createBrowser()
    const login = await browser.follow(await browser.get(`${server.issuer}/account/password`))
    const form = await browser.follow(await browser.submit(login, '/login', { email, password: goodPassword }))
    expect(new URL(form.url).pathname).toBe('/account/password')
    expect(form.body).toContain('name="currentPassword"')
  })
})
