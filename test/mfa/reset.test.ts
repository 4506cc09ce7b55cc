/** The reset of second factors by email: recent factors only, a day after a cancellable request. */
import { byAccount, testOrigin } from '../audit/origins.ts'
import { days } from '../oidc/support.ts'
import type { Page } from '../support/browser.ts'
import { createBrowser } from '../support/browser.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey } from '../support/latchkey.ts'
import type { Mailbox } from '../support/mailbox.ts'
import { startMailbox } from '../support/mailbox.ts'
import { allEmailsSent } from '../support/outbox.ts'
import { says, sentence } from '../support/sentences.ts'
import { createAuthenticator } from './authenticator.ts'
import { addPhone, member, operator, secondsMs, toFactor } from './setup.ts'

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
const hours = (count: number) => secondsMs(count * 3600)
const actions = async (id: string) => (await server.parts.audit.listOf(id, 100)).map(({ action }) => action)
const dueEmails = async (email: string) => {
  await allEmailsSent(server.database.knex)
  return mailbox.listOf(email, 'factor_reset_due')
}

/** Opens the page on which a reset is requested. */
async function toReset(who: Pick<Member, 'person'>) {
  const { browser, page } = await toFactor(server, who.person)
  const link = /href="([^"]+\/factor-reset)"/.exec(page.body)?.[1]
  return { browser, page: await browser.get(server.issuer + link) }
}

async function ask(who: Pick<Member, 'person'>): Promise<Page> {
  const { browser, page } = await toReset(who)
  return browser.submit(page, '/factor-reset')
}

/** Advances one day. Returns the email with the link. */
async function due(email: string) {
  // The earlier emails must be sent first: a day later they would be too old to send.
  await allEmailsSent(server.database.knex)
  server.clock.advance(hours(24))
  await server.parts.factorResets.sendDue()
  return mailbox.waitFor(email, 'factor_reset_due')
}

test('a recent factor is removed by an emailed link, a day after a request whose email states the dates', async () => {
  const who = await member(server, 'locked-out')
  const { browser, page } = await toReset(who)
  expect(page.body).toMatch(says('pages.factorReset.factor.totp'))
  expect(page.body).toMatch(says('pages.own.applications.since', { at: /\d{4}-\d\d-\d\d \d\d:\d\d UTC/ }))
  const asked = await browser.submit(page, '/factor-reset')
  expect(asked.body).toMatch(says('pages.factorReset.waiting'))
  const told = await mailbox.waitFor(who.email, 'factor_reset_requested')
  const listed = says('emails.item', { factor: sentence('emails.factor.totp'), at: /\d{4}-/ })
  expect(told.text).toMatch(listed)
  expect(told.html).toMatch(listed)
  expect(told.text).toMatch(says('emails.note.factor_reset_requested'))

  server.clock.advance(hours(24) - 1)
  await server.parts.factorResets.sendDue()
  const row = server.database.knex('factor_reset').where({ account_id: who.account.id }).first('link_asked_at')
  expect(await row).toEqual({ link_asked_at: null })
  server.clock.advance(1)
  await Promise.all([server.parts.factorResets.sendDue(), server.parts.factorResets.sendDue()])
  const { link, text } = await mailbox.waitFor(who.email, 'factor_reset_due')
  expect(text).toMatch(listed)

  const emailed = createBrowser()
  const opened = await emailed.get(link!)
  expect(opened.body).toMatch(says('pages.factorReset.factor.totp'))
  expect(opened.body).toMatch(says('pages.own.applications.since', { at: /\d{4}-/ }))
  expect((await server.parts.factors.show(who.account.id)).enrolled).toEqual(['totp'])
  const done = await emailed.submit(opened, '/factor-reset')
  expect(done.body).toMatch(says('pages.notice.heading.factors_reset'))
  expect(await server.parts.factors.show(who.account.id)).toMatchObject({ enrolled: [], recoveryCodes: 0 })
  expect((await server.parts.accounts.readById(who.account.id))!.generation).toBe(1)
  expect(await actions(who.account.id)).toEqual(
    expect.arrayContaining(['factor.reset_requested', 'factor.reset_done', 'factor.removed']),
  )
  expect((await emailed.submit(opened, '/factor-reset')).status).toBe(400)
  expect(await dueEmails(who.email)).toHaveLength(1)
  // The password alone is now enough to sign in.
  const tokens = await createRelyingParty(server).signIn({}, who.person)
  expect(tokens.id_token).toBeDefined()
})

describe('a reset is refused, and only an operator can do it', () => {
  const refused = says('pages.factorReset.refused')

  test('when the factor is older than 30 days', async () => {
    const who = await member(server, 'old-factor')
    server.clock.advance(days(30) + 1)
    const { page } = await toReset(who)
    expect(page.body).toMatch(refused)
    expect(page.body).not.toMatch(says('pages.factorReset.ask.submit'))
    const owner = { accountId: who.account.id, generation: 0 }
    await expect(server.parts.factorResets.request(owner, testOrigin)).rejects.toMatchObject({
      code: 'factor_reset_refused',
    })
    expect(await server.parts.factorResets.pending(owner)).toBeUndefined()
  })

  test('when an older factor was removed or replaced', async () => {
    for (const kind of ['removed', 'replaced']) {
      const who = await member(server, `once-${kind}`)
      server.clock.advance(days(31))
      if (kind === 'removed')
        await server.parts.factors.remove(
          { accountId: who.account.id, generation: 0, by: byAccount(who.account.id) },
          'totp',
        )
      await addPhone(server, who.email)
      expect((await toReset(who)).page.body).toMatch(refused)
    }
  })

  test('when another factor was enrolled after the request: the link checks again', async () => {
    const who = await member(server, 'added-since')
    await ask(who)
    const { link } = await due(who.email)
    const { factors, passkeys } = server.parts
    const device = createAuthenticator({ origin: server.issuer, rpId: 'localhost' })
    const options = await passkeys.creationOptions({ id: who.account.id, email: who.email }, 'session')
    const response = device.create(options)
    await factors.add(
      { accountId: who.account.id, generation: 0, by: byAccount(who.account.id) },
      'passkey',
      'session',
      { response, name: '' },
    )
    const browser = createBrowser()
    const opened = await browser.get(link!)
    expect(opened.body).toMatch(refused)
    const token = new URL(link!).searchParams.get('token')!
    await expect(server.parts.factorResets.execute(token, testOrigin)).rejects.toMatchObject({
      code: 'factor_reset_refused',
    })
    expect((await factors.show(who.account.id)).enrolled).toEqual(['passkey', 'totp'])
  })
})

test('a reset request is shown in another session of the account, and can be stopped there', async () => {
  const who = await member(server, 'stopped')
  const owner = createRelyingParty(server)
  await owner.signIn({}, { ...who.person, code: who.phone.code })
  await ask(who)
  const page = await owner.browser.follow(await owner.browser.get(`${server.issuer}/account/sessions`))
  expect(page.body).toMatch(says('pages.own.factorReset.heading'))
  const stopped = await owner.browser.follow(await owner.browser.submit(page, '/reset/stop'))
  expect(stopped.body).toMatch(says('pages.own.done.reset_stopped'))
  expect(stopped.body).not.toMatch(says('pages.own.factorReset.heading'))
  server.clock.advance(hours(25))
  await server.parts.factorResets.sendDue()
  expect(await server.parts.factorResets.pending({ accountId: who.account.id, generation: 0 })).toBeUndefined()
  expect(await actions(who.account.id)).toContain('factor.reset_stopped')
  expect(await dueEmails(who.email)).toEqual([])
})

test('a link that was emailed before the request was stopped is refused', async () => {
  const who = await member(server, 'stopped-late')
  await ask(who)
  const { link } = await due(who.email)
  await server.parts.factorResets.stop({ accountId: who.account.id, generation: 0 }, testOrigin)
  const browser = createBrowser()
  expect((await browser.get(link!)).status).toBe(400)
  const token = new URL(link!).searchParams.get('token')!
  await expect(server.parts.factorResets.execute(token, testOrigin)).rejects.toMatchObject({ code: 'link_expired' })
})

test('a factor that is proven at a sign-in ends the request at once', async () => {
  const who = await member(server, 'found-again')
  await ask(who)
  const owner = { accountId: who.account.id, generation: 0 }
  expect(await server.parts.factorResets.pending(owner)).toBeDefined()
  const { browser, page } = await toFactor(server, who.person)
  expect((await browser.submit(page, '/factor', { code: who.phone.code() })).status).toBe(200)
  expect(await server.parts.factorResets.pending(owner)).toBeUndefined()
})

test('a sign-in with a passkey alone ends the request too', async () => {
  const who = await member(server, 'passkey-again')
  const { factors, factorResets, loginSteps } = server.parts
  const owner = { accountId: who.account.id, generation: 0 }
  expect((await factors.show(who.account.id)).enrolled).toEqual(['totp'])
  await ask(who)
  const asked = {
    uid: 'passkey-alone-reset',
    clientId: 'web',
    demand: { level: 'password', isEssential: false },
    currentLogin: undefined,
  } as const
  await loginSteps.begin(asked, who.account, 'password', { origin: testOrigin })
  expect(await factorResets.pending(owner)).toBeDefined()
  await loginSteps.begin(asked, who.account, 'passkey', { origin: testOrigin })
  expect(await factorResets.pending(owner)).toBeUndefined()
})

test('an account reset ends the request and its link', async () => {
  const who = await member(server, 'reset-meanwhile')
  await ask(who)
  const { link } = await due(who.email)
  await server.parts.accounts.disable(who.account.id, operator)
  await server.parts.accounts.enable(who.account.id, operator)
  expect((await createBrowser().get(link!)).status).toBe(400)
  const { knex } = server.database
  expect(await knex('factor_reset').where({ account_id: who.account.id })).toEqual([])
  // A generation that was read before the reset cannot request one after it.
  await expect(
    server.parts.factorResets.request({ accountId: who.account.id, generation: 0 }, testOrigin),
  ).rejects.toMatchObject({ code: 'account_reset' })
})

test('of concurrent uses of the link one removes the factors; a second request changes nothing', async () => {
  const who = await member(server, 'at-once')
  await ask(who)
  const before = await server.parts.factorResets.pending({ accountId: who.account.id, generation: 0 })
  server.clock.advance(hours(1))
  await server.parts.factorResets.request({ accountId: who.account.id, generation: 0 }, testOrigin)
  expect((await toReset(who)).page.body).not.toMatch(says('pages.factorReset.ask.submit'))
  expect(await server.parts.factorResets.pending({ accountId: who.account.id, generation: 0 })).toEqual(before)
  const { link } = await due(who.email)
  const token = new URL(link!).searchParams.get('token')!
  const uses = await Promise.allSettled(
    Array.from({ length: 8 }, () => server.parts.factorResets.execute(token, testOrigin)),
  )
  expect(uses.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
})

test('outside a factor step the page of the reset is refused with 403', async () => {
  const rp = createRelyingParty(server)
  const login = await rp.browser.follow(await rp.browser.get(await rp.authorizeUrl()))
  expect((await rp.browser.get(`${login.url}/factor-reset`)).status).toBe(403)
})

test('an account whose email address is not proven is not offered a reset', async () => {
  const who = await member(server, 'unproven')
  await server.database.knex('account').where({ id: who.account.id }).update({ is_email_verified: false })
  const { page } = await toFactor(server, who.person)
  expect(page.body).toContain('/factor"')
  expect(page.body).not.toContain('/factor-reset"')
})
