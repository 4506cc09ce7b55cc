/** One mailbox is one account, in existing data too and while the previous version still writes. */

import { inspectEmails } from '../../src/doctor/emails.ts'
import { checkEmails } from '../../src/doctor/verdicts.ts'
import { testOrigin } from '../audit/origins.ts'
import { attempt } from '../limits/setup.ts'
import { minutes } from '../oidc/support.ts'
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
// One test's guesses must not count in the next.
beforeEach(() => setup.server.clock.advance(minutes(61)))

const parts = () => setup.server.parts
const knex = () => setup.server.database.knex
const backfill = () => parts().mailboxes.run()
const row = async (id: string) => (await knex()('account').where({ id }).first())!
const fold = (email: string) => email.normalize('NFC').toLowerCase()

type Old = { email: string; isVerified?: boolean; createdAt?: number; passwordHash?: string }

/** A row as the previous version writes it. */
async function oldAccount({ email, isVerified = true, createdAt = 1, passwordHash }: Old): Promise<string> {
  const id = crypto.randomUUID()
  const times = { created_at: createdAt, updated_at: createdAt }
  const hash = passwordHash ?? (await parts().passwords.hash(testPassword))
  await knex()('account').insert({
    id,
    email,
    email_key: fold(email),
    is_email_verified: isVerified,
    password_hash: hash,
    ...times,
  })
  return id
}

const problemOf = async (id: string) => (await row(id)).email_problem

test('spellings of a domain are one account: registered once, found by each, shown as Unicode', async () => {
  const spellings = ['one@münchen.example', 'One@xn--mnchen-3ya.example', 'one@ｍünchen。example.']
  const results = await Promise.allSettled(
    spellings.map((email) => parts().accounts.create({ email, password: goodPassword }, operator)),
  )
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  for (const email of spellings) {
    expect(await setup.account(email)).toMatchObject({ email: expect.stringMatching(/^[Oo]ne@münchen\.example$/) })
    expect((await attempt(setup.server, email, goodPassword)).status).toBe(200)
    await setup.register({ email })
  }
  expect(await knex()('account').where('mailbox', 'one@xn--mnchen-3ya.example')).toHaveLength(1)
})

test('attempts with different spellings are counted together', async () => {
  const spellings = ['many@köln.example', 'MANY@xn--kln-sna.example', 'many@köln。example', 'many@KÖLN.example.']
  await parts().accounts.create({ email: spellings[0]!, isEmailVerified: true, password: goodPassword }, operator)
  for (let tries = 0; tries < 11; tries += 1) {
    await attempt(setup.server, spellings[tries % spellings.length]!, 'not this one')
  }
  for (const email of spellings) expect((await attempt(setup.server, email, goodPassword)).status).toBe(429)
})

test('an email is sent to the ASCII form of the domain, and its text has the Unicode form', async () => {
  await setup.register({ email: 'mailed@xn--bcher-kva.example' })
  // The test's SMTP server shows domains in Unicode.
  const message = await setup.mailbox.waitFor('mailed@bücher.example', 'verify')
  expect(message.headers.to).toBe('mailed@xn--bcher-kva.example')
  expect(message.text).toContain('mailed@bücher.example')
})

test('an email to an invalid address is not sent', async () => {
  const accountId = crypto.randomUUID()
  for (const to of ['nobody@0x7f.1', 'nobody@ex%41mple.com', 'somebody@example.com']) {
    const askedAtMs = setup.server.clock.now()
    await parts().database.transaction((tx) =>
      parts().sendEmail(tx, { mail: 'email_changed', accountId, to, askedAtMs }),
    )
  }
  await setup.mailbox.waitFor('somebody@example.com', 'email_changed')
  const count = async (outcome: string) => {
    const { values = [] } = (await parts().metrics.getSingleMetric('latchkey_mails_total')?.get()) ?? {}
    return values.find(({ labels }) => labels.mail === 'email_changed' && labels.outcome === outcome)?.value
  }
  await waitFor(async () => (await count('nobody')) === 2)
  expect(setup.mailbox.emails.filter(({ to }) => to.some((one) => one.startsWith('nobody@')))).toEqual([])
})

test('the oldest proven account keeps the mailbox; the others are marked, and keep their data', async () => {
  const unproven = await oldAccount({ email: 'kept@straße.example', isVerified: false, createdAt: 1 })
  const young = await oldAccount({ email: 'kept@ｓtraße.example', createdAt: 30 })
  const keeper = await oldAccount({ email: 'kept@xn--strae-oqa.example', createdAt: 20 })
  const dotted = await oldAccount({ email: 'kept@xn--strae-oqa.example.', createdAt: 25 })
  const before = await Promise.all([unproven, young, keeper, dotted].map(row))
  // Two processes that start at the same time.
  await Promise.all([backfill(), backfill()])
  expect(await Promise.all([keeper, unproven, young, dotted].map(problemOf))).toEqual([
    null,
    'duplicate',
    'duplicate',
    'duplicate',
  ])
  expect(await setup.account('kept@straße.example')).toMatchObject({ id: keeper, email: 'kept@straße.example' })
  for (const old of before) {
    const { email_key: _key, mailbox: _mailbox, email_problem: _problem, ...rest } = await row(old.id)
    expect(old).toMatchObject(rest)
  }
  expect(await setup.trail(young)).toEqual(['account.email_marked'])
  expect(await setup.trail(keeper)).toEqual([])
  // Running it again changes nothing.
  await backfill()
  expect(await setup.trail(young)).toEqual(['account.email_marked'])
})

test('a marked account cannot sign in by its email: no password, no recovery, no other spelling', async () => {
  const loser = await oldAccount({ email: 'way@österreich.example', isVerified: true, createdAt: 9 })
  const keeper = await oldAccount({
    email: 'way@xn--sterreich-z7a.example',
    createdAt: 3,
    passwordHash: await parts().passwords.hash(otherPassword),
  })
  await backfill()
  for (const email of ['way@österreich.example', 'way@xn--sterreich-z7a.example']) {
    expect((await attempt(setup.server, email, testPassword)).status).toBe(400)
    expect((await attempt(setup.server, email, otherPassword)).status).toBe(200)
  }
  await setup.askForRecovery('way@österreich.example')
  const { link } = await setup.mailbox.waitFor('way@österreich.example', 'recovery')
  expect((await createBrowser().get(link!)).status).toBe(200)
  const emailLinks = await knex()('account_link').whereIn('account_id', [loser, keeper]).where({ purpose: 'recover' })
  expect(emailLinks).toMatchObject([{ account_id: keeper }])
  // Its key is not an email that a user could enter.
  expect(await setup.account((await row(loser)).email_key)).toBeUndefined()
  expect(await parts().accounts.findById(loser)).toMatchObject({ emailProblem: 'duplicate' })
})

test('an email that is no longer valid is marked, and the rest of the profile can be changed', async () => {
  const id = await oldAccount({ email: 'percent@ex%41mple.com' })
  await backfill()
  expect(await problemOf(id)).toBe('invalid')
  expect(await setup.account('percent@example.com')).toBeUndefined()
  // The rest of the profile can still be changed.
  await parts().accounts.update(id, { nickname: 'Per' }, operator)
  expect(await row(id)).toMatchObject({ nickname: 'Per', email: 'percent@ex%41mple.com', email_problem: 'invalid' })
})

test('an account that an older version found by one case form is found by every form, and of two the older account keeps the mailbox', async () => {
  const alone = await oldAccount({ email: 'νίκος@example.com' })
  const young = await oldAccount({ email: 'ας@example.com', createdAt: 9 })
  const old = await oldAccount({ email: 'ασ@example.com', createdAt: 3 })
  await knex()('account').where({ id: young }).update({ mailbox: 'ας@example.com' })
  expect(checkEmails(await inspectEmails(knex()))).toContainEqual(expect.objectContaining({ code: 'emails_unsettled' }))
  await backfill()
  expect(await setup.account('ΝΊΚΟΣ@example.com')).toMatchObject({ id: alone, email: 'νίκος@example.com' })
  expect(await Promise.all([alone, young, old].map(problemOf))).toEqual([null, 'duplicate', null])
  expect(await setup.account('ΑΣ@example.com')).toMatchObject({ id: old })
  expect(await knex()('account').whereRaw("email_problem IS NULL AND coalesce(mailbox, email_key) ~ 'ς.*@'")).toEqual(
    [],
  )
})

test('an email with an invisible character is marked', async () => {
  const id = await oldAccount({ email: 'unseen\uFE0F@example.com' })
  await backfill()
  expect(await problemOf(id)).toBe('invalid')
})

test('actions of a marked account lift no lock of the mailbox, and make no browser known there', async () => {
  const loser = await oldAccount({ email: 'lock@zürich.example', isVerified: false, createdAt: 9 })
  await oldAccount({ email: 'lock@xn--zrich-kva.example', createdAt: 3 })
  const { rememberBrowser } = parts().loginThrottle
  const token = 'b'.repeat(43)
  const person = { id: loser, email: 'lock@xn--zrich-kva.example', generation: 0 }
  await parts().database.transaction((tx) => rememberBrowser(tx, token, person))
  await backfill()
  expect(await knex()('known_browser').where({ account_id: loser })).toEqual([])
  const marked = (await parts().accounts.readById(loser))!
  expect(await parts().database.transaction((tx) => rememberBrowser(tx, token, marked))).toBe('known')
  expect(await knex()('known_browser').where({ account_id: loser })).toEqual([])
  for (let tries = 0; tries < 11; tries += 1) await attempt(setup.server, 'lock@zürich.example', 'not this one')
  await parts().accounts.setPassword(loser, goodPassword, operator)
  await parts().accounts.unlock(loser, operator)
  expect((await attempt(setup.server, 'lock@zürich.example', testPassword)).status).toBe(429)
})

test('a link that is created for a marked account while it is marked is invalid', async () => {
  const [proven, unproven] = await Promise.all([
    oldAccount({ email: 'linked@böse.example', createdAt: 9 }),
    oldAccount({ email: 'linked@ｂöse.example', createdAt: 9, isVerified: false }),
  ])
  await oldAccount({ email: 'linked@xn--bse-sna.example', createdAt: 3 })
  await backfill()
  const linkTo = (purpose: 'recover' | 'verify', accountId: string) =>
    parts().database.transaction((tx) =>
      parts().emailLinks.mint(tx, purpose, { accountId, email: 'linked@böse.example', generation: 0 }, false),
    )
  const recover = await linkTo('recover', proven)
  expect((await createBrowser().get(setup.at(`/recover/password?token=${recover}`))).status).toBe(400)
  const verify = await linkTo('verify', unproven)
  expect((await createBrowser().get(setup.at(`/verify?token=${verify}`))).status).toBe(400)
})

test('a browser in which a marked account changes its password is not known at the mailbox', async () => {
  const loser = await oldAccount({ email: 'kept-out@böse.example', createdAt: 9 })
  await oldAccount({ email: 'kept-out@xn--bse-sna.example', createdAt: 3 })
  await backfill()
  await parts().accountChanges.changePassword({
    origin: testOrigin,
    accountId: loser,
    proof: { password: testPassword },
    newPassword: goodPassword,
    browser: { knownToken: 'b'.repeat(43) },
  })
  expect(await knex()('known_browser').where({ account_id: loser })).toEqual([])
})

test('userinfo has email_verified false for a marked account', async () => {
  const email = 'told@øst.example'
  const id = await parts().accounts.create({ email, isEmailVerified: true, password: goodPassword }, operator)
  const rp = createRelyingParty(setup.server)
  const start = await rp.browser.get(await rp.authorizeUrl({ scope: 'openid email' }))
  const { code } = await rp.complete(start, { email, password: goodPassword })
  const { access_token: token } = (await rp.exchange(code!)).body
  const isVerified = async () => (await rp.userinfo(token as string)).body.email_verified
  expect(await isVerified()).toBe(true)
  await knex()('account').where({ id }).update({ mailbox: null, email_problem: 'duplicate' })
  await waitFor(async () => (await isVerified()) === false)
})

describe('the previous version, beside this one', () => {
  /** Its updates, which set neither of the new columns. */
  const oldUpdate = (id: string, email: string, more: object = {}) =>
    knex()('account')
      .where({ id })
      .update({ email, email_key: fold(email), ...more })

  test('finds an account that this version created, by the shown form of its email', async () => {
    const id = await parts().accounts.create({ email: 'New@xn--rsted-kva.example' }, operator)
    expect(await row(id)).toMatchObject({ email: 'New@rüsted.example', email_key: 'new@rüsted.example' })
  })

  test('changes an email, and this version finds the account only by the new one', async () => {
    const id = await parts().accounts.create({ email: 'moves@xn--grn-ioa.example' }, operator)
    await oldUpdate(id, 'moves@gelb.example')
    expect(await setup.account('moves@grün.example')).toBeUndefined()
    expect(await setup.account('moves@gelb.example')).toMatchObject({ id })
    await oldUpdate(id, 'moves@weiß.example')
    await backfill()
    expect(await setup.account('moves@xn--wei-7ka.example')).toMatchObject({ id })
  })

  test('writes the profile of an account without and with a mark, and does not change the mark', async () => {
    const keeper = await oldAccount({ email: 'stays@xn--blm-ioa.example', createdAt: 1 })
    const loser = await oldAccount({ email: 'stays@blüm.example', createdAt: 2 })
    await backfill()
    await oldUpdate(keeper, 'stays@xn--blm-ioa.example', { nickname: 'K' })
    await oldUpdate(loser, 'stays@blüm.example', { nickname: 'L' })
    expect(await row(keeper)).toMatchObject({ mailbox: 'stays@xn--blm-ioa.example', nickname: 'K' })
    expect(await row(loser)).toMatchObject({ email_problem: 'duplicate', nickname: 'L' })
    expect(await setup.account('stays@blüm.example')).toMatchObject({ id: keeper })
  })

  test('registers another spelling, and this version marks the younger account', async () => {
    const first = await parts().accounts.create({ email: 'again@fünf.example', isEmailVerified: true }, operator)
    const { created_at: createdAt } = await row(first)
    const second = await oldAccount({
      email: 'again@ｆünf.example',
      isVerified: false,
      createdAt: Number(createdAt) + 1,
    })
    await backfill()
    expect(await Promise.all([first, second].map(problemOf))).toEqual([null, 'duplicate'])
  })
})

test('the doctor lists marked accounts, and a new email set by an operator is a reset in the audit trail', async () => {
  const keeper = await oldAccount({ email: 'listed@xn--grs-tna.example', createdAt: 1 })
  const loser = await oldAccount({ email: 'listed@grös.example', createdAt: 2 })
  await oldAccount({ email: 'waits@später.example' })
  expect(checkEmails(await inspectEmails(knex()))).toContainEqual({
    status: 'warning',
    code: 'emails_unsettled',
    params: { count: 3 },
  })
  await backfill()
  const findings = checkEmails(await inspectEmails(knex()))
  expect(findings).toContainEqual({
    status: 'warning',
    code: 'email_duplicate',
    params: { id: loser, email: 'listed@grös.example', keeperId: keeper, keeperEmail: 'listed@xn--grs-tna.example' },
  })
  expect(findings).toContainEqual(expect.objectContaining({ code: 'email_invalid' }))

  await expect(
    parts().setEmail(loser, { email: 'listed@xn--grs-tna.example', isVerified: true }, operator),
  ).rejects.toMatchObject({ code: 'email_taken' })
  await expect(parts().setEmail(loser, { email: 'x@1.2.3.4', isVerified: true }, operator)).rejects.toMatchObject({
    code: 'account_invalid',
  })
  const { generation } = (await parts().accounts.readById(loser))!
  await parts().setEmail(loser, { email: 'fresh@grös.example', isVerified: false }, operator)
  expect(await setup.account('fresh@xn--grs-tna.example')).toMatchObject({
    id: loser,
    email: 'fresh@grös.example',
    isEmailVerified: false,
    emailProblem: undefined,
    generation: generation + 1,
  })
  expect(await setup.trail(loser)).toEqual(['account.email_marked', 'account.email_set'])
  expect((await attempt(setup.server, 'fresh@grös.example', testPassword)).status).toBe(200)
  expect(await setup.account('listed@grös.example')).toMatchObject({ id: keeper })
})

test('a new address set by an operator ends sessions, tokens and links, and the previous proven address gets an email', async () => {
  const { id } = await setup.member('operated@example.com')
  const rp = createRelyingParty(setup.server)
  const start = await rp.browser.get(await rp.authorizeUrl({ scope: 'openid offline_access' }))
  const { code } = await rp.complete(start, { email: 'operated@example.com', password: goodPassword })
  const { refresh_token: refreshToken } = (await rp.exchange(code!)).body
  await setup.askForRecovery('operated@example.com')
  const { link } = await setup.mailbox.waitFor('operated@example.com', 'recovery')
  await parts().setEmail(id, { email: 'Operated@new.example', isVerified: true }, operator)
  expect(await setup.account('operated@new.example')).toMatchObject({ id, isEmailVerified: true })
  const page = await rp.browser.get(await rp.authorizeUrl({ prompt: 'none' }))
  expect(new URL(page.next!).searchParams.get('error')).toBe('login_required')
  expect((await rp.refresh(refreshToken as string)).body).toMatchObject({ error: 'invalid_grant' })
  expect((await createBrowser().get(link!)).status).toBe(400)
  await setup.mailbox.waitFor('operated@example.com', 'email_changed')
  await setup.allEmailsSent()
  // The marked account was not notified: its mailbox belongs to another account.
  expect(setup.mailbox.to('listed@grös.example')).toEqual([])
})
