/** The audit events of a sign-in: each step, the result, each refusal, and their statements. */
import { attempt, loginPage } from '../limits/setup.ts'
import { addPhone, goodPassword, member, operator, secondsMs, toFactor } from '../mfa/setup.ts'
import { minutes } from '../oidc/support.ts'
import { formsOf } from '../support/browser.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey } from '../support/latchkey.ts'
import type { Mailbox } from '../support/mailbox.ts'
import { startMailbox } from '../support/mailbox.ts'

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
// Each test starts without the earlier tests' failures, which come from the same IP address.
beforeEach(() => server.clock.advance(minutes(61)))

const inRequest = { requestId: expect.stringMatching(/^[\w-]{20,}$/), address: '127.0.0.1' }

async function person(name: string, more: { password?: string; isEmailVerified?: boolean } = {}) {
  const email = `${name}@trail.example`
  const account = { email, isEmailVerified: true, password: goodPassword, ...more }
  return { email, id: await server.parts.accounts.create(account, operator) }
}

/** Oldest first, without an administrator's actions. */
async function trailOf(id: string) {
  const events = await server.parts.audit.listOf(id, 50)
  return events.filter(({ actor }) => actor.type !== 'operator').reverse()
}

const newest = async () => (await server.database.knex('audit_event').orderBy('sequence', 'desc').first())!

const own = (id: string, action: string) => ({
  action,
  actor: { type: 'account', id },
  subject: { type: 'account', id },
  clientId: 'web',
  outcome: 'success',
  ...inRequest,
})

describe('a sign-in', () => {
  test('with the password alone records the password step and the sign-in', async () => {
    const { id, email } = await person('alone')
    await createRelyingParty(server).authorize({}, { email, password: goodPassword })
    const [step, end, ...more] = await trailOf(id)
    expect(step).toMatchObject(own(id, 'account.password_accepted'))
    expect(end).toMatchObject({
      ...own(id, 'account.signed_in'),
      details: { level: 'password', amr: expect.arrayContaining(['pwd']) },
    })
    expect(more.map(({ action }) => action)).toEqual(['consent.granted'].filter(() => more.length > 0))
  })

  test('that stops before its second factor is not recorded as a sign-in', async () => {
    const { person, phone, account } = await member(server, 'trail-halfway')
    const { browser, page } = await toFactor(server, person)
    const actions = async () =>
      (await trailOf(account.id)).map(({ action }) => action).filter((action) => action !== 'factor.added')
    expect((await actions()).slice(-1)).toEqual(['account.password_accepted'])
    expect(await actions()).not.toContain('account.signed_in')
    await browser.submit(page, '/factor', { code: phone.code() })
    expect((await actions()).slice(-3)).toEqual(['account.password_accepted', 'factor.proven', 'account.signed_in'])
    expect((await trailOf(account.id)).at(-1)?.details).toMatchObject({ level: 'multi_factor' })
  })

  test('that makes the browser skip the second factor from now on says so, and so does its end', async () => {
    const { person, phone, account } = await member(server, 'trail-remembered')
    const { browser, page } = await toFactor(server, person)
    await browser.follow(await browser.submit(page, '/factor', { code: phone.code(), remember: 'yes' }))
    const remembered = (await trailOf(account.id)).find(({ action }) => action === 'factor.browser_remembered')
    expect(remembered).toMatchObject(own(account.id, 'factor.browser_remembered'))
    const csrf = formsOf(await browser.get(`${server.issuer}/account/profile`))[0]!.fields.csrf!
    for (let times = 0; times < 2; times += 1) {
      await browser.post(`${server.issuer}/account/factors/forget-browsers`, { csrf })
    }
    const forgotten = (await trailOf(account.id)).filter(({ action }) => action === 'factor.browsers_forgotten')
    expect(forgotten).toMatchObject([{ actor: { type: 'account', id: account.id }, outcome: 'success', ...inRequest }])
  })

  test('that is sent twice, as by a double click, is recorded once', async () => {
    const { id, email } = await person('double')
    const { browser, page } = await loginPage(server)
    const sent = [1, 2].map(() => browser.submit(page, '/login', { email, password: goodPassword }))
    expect((await Promise.all(sent)).map(({ status }) => status)).toEqual([200, 200])
    const actions = (await trailOf(id)).map(({ action }) => action)
    expect(actions.filter((action) => action === 'account.signed_in')).toHaveLength(1)
  })

  test('whose second factor is sent twice is recorded once, and both requests continue', async () => {
    const { person, phone, account } = await member(server, 'trail-double')
    for (const isConcurrent of [true, false]) {
      server.clock.advance(60_000)
      const { browser, page } = await toFactor(server, person)
      const send = () => browser.submit(page, '/factor', { code: phone.code() })
      const before = (await trailOf(account.id)).length
      const answers = isConcurrent ? await Promise.all([send(), send(), send()]) : [await send(), await send()]
      expect(new Set(answers.map(({ status, next }) => `${status} ${next}`)).size).toBe(1)
      expect(answers[0]).toMatchObject({ status: 200, next: expect.stringContaining('/authorize/') })
      const actions = (await trailOf(account.id)).slice(before).map(({ action }) => action)
      const ofSignIn = actions.filter((action) => action !== 'account.new_browser')
      expect(ofSignIn.toSorted()).toEqual(['account.signed_in', 'factor.proven'])
    }
  })

  test('whose interaction was already cancelled is not recorded', async () => {
    const { id, email } = await person('decided')
    const { browser, page } = await loginPage(server)
    const uid = /interaction\/([\w-]+)/.exec(page.url)![1]!
    const { outcomes } = server.parts.artifacts
    await server.database.transaction((tx) => outcomes.decide(tx, uid, 'cancel'))
    const answer = await browser.submit(page, '/login', { email, password: goodPassword })
    expect(answer.status).toBe(409)
    expect((await trailOf(id)).map(({ action }) => action)).toEqual(['account.password_accepted'])
  })

  test('to an account that was reset meanwhile is not recorded', async () => {
    const { id, email } = await person('reset')
    const account = (await server.parts.accounts.readById(id))!
    await server.parts.accounts.disable(id, operator)
    await server.parts.accounts.enable(id, operator)
    const origin = { requestId: 'test', ip: '192.0.2.1' }
    const login = { account, level: 'password', amr: ['pwd'], clientId: 'web', origin, browserToken: email }
    let isDecided = false
    await server.parts.securityNotifications.signedIn(login, {
      decide: async () => {
        isDecided = true
        return true
      },
    })
    expect([isDecided, await trailOf(id)]).toEqual([false, []])
  })
})

describe('a refused sign-in is recorded with its reason', () => {
  test.each(['wrong_password', 'unknown', 'disabled', 'no_password'] as const)('%s', async (reason) => {
    const email = `${reason}@trail.example`
    const id =
      reason === 'unknown'
        ? undefined
        : reason === 'no_password'
          ? await server.parts.accounts.create({ email, isEmailVerified: true }, operator)
          : (await person(reason)).id
    if (id && reason === 'disabled') await server.parts.accounts.disable(id, operator)
    expect((await attempt(server, email, 'not the password')).status).toBe(400)
    expect(await newest()).toMatchObject({
      action: 'account.sign_in_failed',
      actor_type: 'anonymous',
      actor_id: null,
      subject_id: id ?? null,
      client_id: 'web',
      address: '127.0.0.1',
      request_id: inRequest.requestId,
      outcome: 'failure',
      details: { reason },
    })
  })

  test('captcha and locked', async () => {
    const { id, email } = await person('throttled')
    for (let tries = 0; tries < 11; tries += 1) await attempt(server, email, 'not the password')
    const refused = (await trailOf(id)).filter(({ action }) => action === 'account.sign_in_failed')
    const reasons = [...Array(5).fill('wrong_password'), ...Array(5).fill('captcha'), 'locked']
    expect(refused.map(({ details }) => details?.reason)).toEqual(reasons)
    expect((await trailOf(id)).map(({ action }) => action)).toContain('account.sign_in_locked')
    for (const { actor } of refused) expect(actor.type).toBe('anonymous')
  })

  test('unverified: the user has proven the account, and is the actor', async () => {
    await server.parts.settings.set('emailVerification', 'required', operator)
    const { id, email } = await person('unverified', { isEmailVerified: false })
    await attempt(server, email, goodPassword)
    await server.parts.settings.set('emailVerification', undefined, operator)
    expect(await trailOf(id)).toMatchObject([
      { action: 'account.sign_in_failed', actor: { type: 'account', id }, details: { reason: 'unverified' } },
    ])
  })

  test('deletion_pending: the user has proven the account, which only its own page accepts', async () => {
    const { id, email } = await person('leaving')
    const deleteAt = server.clock.now() + minutes(60)
    await server.database.knex('account').where({ id }).update({ delete_at: deleteAt })
    expect((await attempt(server, email, goodPassword)).status).toBe(403)
    expect(await trailOf(id)).toMatchObject([
      own(id, 'account.password_accepted'),
      {
        action: 'account.sign_in_failed',
        actor: { type: 'account', id },
        clientId: 'web',
        details: { reason: 'deletion_pending' },
        ...inRequest,
      },
    ])
  })

  test('factor: a wrong code is an anonymous failed attempt on the account', async () => {
    const { email, id } = await person('guessed-code')
    await addPhone(server, email)
    server.clock.advance(secondsMs(60))
    const { browser, page } = await toFactor(server, { email, password: goodPassword })
    await browser.submit(page, '/factor', { code: '000000' })
    const subject = { type: 'account', id }
    const actor = { type: 'anonymous' }
    expect((await trailOf(id)).slice(-2)).toMatchObject([
      { action: 'factor.failed', actor, subject, details: { method: 'totp' }, ...inRequest },
      { action: 'account.sign_in_failed', actor, subject, details: { reason: 'factor' }, ...inRequest },
    ])
  })
})

/** Periodic reads of a process: the key ring, its heartbeat, and the costs of stored hashes. */
const ofProcess = /signing_key|root_secret|store_set_up|store_outage|beat_at|RECURSIVE costs/

/** The statements that the pool sends while `work` runs. */
async function statementsOf(work: () => Promise<unknown>): Promise<string[]> {
  const sent: string[] = []
  const note = ({ sql }: { sql: string }) => {
    if (!ofProcess.test(sql)) sent.push(sql.replaceAll(/\s+/g, ' ').trim().slice(0, 60))
  }
  server.database.knex.on('query', note)
  await work()
  server.database.knex.off('query', note)
  return sent
}

describe('statements', () => {
  // The queue sends the emails. Without it, only the statements of the request are counted.
  beforeAll(() => server.parts.queue.stop())

  test('a sign-in records its two events in two transactions, without a separate statement for the outbox', async () => {
    const { email } = await person('counted')
    const { browser } = createRelyingParty(server)
    await createRelyingParty(server, browser).authorize({}, { email, password: goodPassword })
    const { page } = await loginPage(server, browser)
    const sent = await statementsOf(() => browser.submit(page, '/login', { email, password: goodPassword }))
    // Each event is written with its outbox job. The second one shares a transaction with the
    // browser and the result.
    expect(sent.filter((sql) => sql.includes('audit_event'))).toHaveLength(2)
    expect(sent.filter((sql) => sql.startsWith('SELECT FROM graphile_worker'))).toEqual([])
    expect(sent.filter((sql) => sql.startsWith('BEGIN'))).toHaveLength(2)
    // The count with one event, when the event and its job were two statements.
    expect(sent).toHaveLength(19)
  })

  test('a refused sign-in sends the same statements with and without an account', async () => {
    const { email } = await person('compared')
    const disabled = await person('compared-off')
    await server.parts.accounts.disable(disabled.id, operator)
    const sentFor = async (typed: string) => {
      const { browser, page } = await loginPage(server)
      return statementsOf(() => browser.submit(page, '/login', { email: typed, password: 'not the password' }))
    }
    for (let tries = 1; tries <= 12; tries += 1) {
      const known = await sentFor(email)
      expect(known.length).toBeGreaterThan(4)
      expect([tries, await sentFor('nobody@trail.example')]).toEqual([tries, known])
      expect([tries, await sentFor(disabled.email)]).toEqual([tries, known])
    }
  })
})
