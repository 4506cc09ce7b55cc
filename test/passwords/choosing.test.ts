/**
 * One policy on every page that sets a password: shown before typing, with all problems at once
 * afterwards. And known breaches at the login.
 */
import { testOrigin } from '../audit/origins.ts'
import { runCommand } from '../cli/command-line.ts'
import type { AccountSetup } from '../registration/setup.ts'
import { goodPassword, openAccountSetup, operator, otherPassword } from '../registration/setup.ts'
import type { Page } from '../support/browser.ts'
import { createBrowser } from '../support/browser.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey } from '../support/latchkey.ts'
import { codesOn, says, sentence } from '../support/sentences.ts'
import { startBreachService } from './breach-service.ts'

let breaches: Awaited<ReturnType<typeof startBreachService>>
let setup: AccountSetup
const log: string[] = []
beforeAll(async () => {
  breaches = await startBreachService()
  setup = await openAccountSetup({ env: { BREACH_CHECK_URL: breaches.url }, onLog: (line) => log.push(line) })
})
afterAll(async () => {
  await setup?.close()
  breaches?.close()
})
const others: Latchkey[] = []
afterEach(async () => {
  breaches.behave()
  for (const server of others.splice(0)) await server.stop()
})

/** Another server on the same database with another configuration; it ends with the test. */
async function startOther(env: Record<string, string>): Promise<Latchkey> {
  const server = await startLatchkey({
    env: { BREACH_CHECK_URL: breaches.url, ...env },
    database: setup.server.shared,
    clock: setup.server.clock,
  })
  others.push(server)
  return server
}

const breached = 'everybody knows this one by now'
beforeAll(() => breaches.breach(breached))

const rule = (name: string, params = {}) => says(`pages.newPassword.rules.${name}`, params)
const text = (body: string) => body.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ')
const inputOf = ({ body }: Page) =>
  /<input id="(?:new-)?password" name="password"[^>]*autocomplete="new-password"[^>]*>/.exec(body)![0]
const hashes = async () =>
  Number(/_hash_seconds_count (\d+)/.exec(await setup.server.parts.metrics.metrics())?.[1] ?? 0)

/** An imported account with this password, which no policy has checked. */
async function imported(email: string, password: string, more: Record<string, unknown> = {}): Promise<string> {
  const { parts } = setup.server
  const hash = await parts.passwords.hash(password)
  const document = { email, email_verified: true, password_hash: hash, ...more }
  const report = await parts.accountImport.importBatch(
    [{ number: 1, text: JSON.stringify(document) }],
    undefined,
    operator,
  )
  expect(report).toMatchObject({ imported: 1 })
  return (await setup.account(email))!.id
}

async function signIn(email: string, password: string, server = setup.server) {
  const rp = createRelyingParty(server)
  const page = await rp.browser.follow(await rp.browser.get(await rp.authorizeUrl()))
  return rp.browser.submit(page, '/login', { email, password })
}

describe('the page', () => {
  test('lists the current rules with the empty field, and refers to them from the field', async () => {
    const page = await createBrowser().get(setup.at('/register'))
    expect(text(page.body)).toMatch(rule('minimum', { minimum: 12, maximum: 128 }))
    expect(text(page.body)).toMatch(rule('context', { service: 'Latchkey' }))
    expect(text(page.body)).toMatch(rule('breached'))
    expect(text(page.body)).not.toMatch(rule('uppercase'))
    expect(inputOf(page)).toContain('aria-describedby="password-hint"')
    // Pasting and password managers work, and no script checks the password (ASVS V6.2.7).
    expect(inputOf(page)).not.toMatch(/onpaste|pattern=|maxlength=|minlength=/)
  })

  test('follows the settings', async () => {
    const { settings } = setup.server.parts
    await settings.set('passwordMinimumLength', 15, operator)
    await settings.set('passwordUppercase', 'required', operator)
    await settings.set('passwordDigit', 'required', operator)
    const page = await createBrowser().get(setup.at('/register'))
    expect(text(page.body)).toMatch(rule('minimum', { minimum: 15, maximum: 128 }))
    expect(text(page.body)).toContain(
      [sentence('pages.newPassword.rules.uppercase'), sentence('pages.newPassword.rules.digit')].join(' '),
    )
    const refused = await setup.register({ email: 'rules@example.com', password: 'lanterns over' })
    expect(refused.status).toBe(400)
    expect(codesOn(refused)).toEqual(['password_too_short', 'password_needs_uppercase', 'password_needs_digit'])
    expect(refused.body).toMatch(says('problems.password_too_short', { minimum: 15 }))
    for (const key of ['passwordMinimumLength', 'passwordUppercase', 'passwordDigit']) {
      await settings.set(key, undefined, operator)
    }
  })

  test('shows every problem at once, above the form and at the field, and computes no hash', async () => {
    const before = await hashes()
    const page = await setup.register({ email: 'all-at-once@example.com', name: 'Eve Wonder', password: 'Eve WONDER' })
    expect(page.status).toBe(400)
    for (const code of ['password_too_short', 'password_contains_name']) {
      expect(page.body.split(`data-code="${code}"`)).toHaveLength(3)
    }
    expect(page.body).toMatch(says('problems.password_too_short', { minimum: 12 }))
    expect(inputOf(page)).toContain('aria-describedby="password-problem password-hint"')
    expect(await hashes()).toBe(before)
    expect(await setup.account('all-at-once@example.com')).toBeUndefined()
  })
})

describe('every form that sets a password', () => {
  const codeOf = {
    breached: 'password_known',
    named: 'password_contains_name',
    addressed: 'password_contains_email',
    common: 'password_common',
    reversed: 'password_direction_marks',
  }
  const cases = [
    ['breached', breached],
    ['named', 'a GARDENER walks at night'],
    ['addressed', 'walking the-DOOR at night'],
    ['common', 'Qwerty123456'],
    ['reversed', 'lanterns \u202eover the river'],
  ] as const

  const refusal = async (work: Promise<unknown>) => {
    const error = await work.then(
      () => new Error('it was taken'),
      (thrown: unknown) => thrown,
    )
    return ((error as { problems?: { code: string }[] }).problems ?? []).map(({ code }) => code)
  }

  test.each(cases)(
    'registration, invitation, recovery and change refuse a bad password (%s)',
    async (what, password) => {
      const email = `the-door@${what}.example`
      const before = breaches.requests.length
      const registered = await setup.register({ email, name: 'Somebody Gardener', password })
      expect([registered.status, codesOn(registered)]).toEqual([400, [codeOf[what]]])

      await setup.server.parts.registration.invite({ email, name: 'Somebody Gardener' }, operator)
      const browser = createBrowser()
      const invitation = await browser.get((await setup.mailbox.waitFor(email, 'invitation')).link!)
      const invited = await browser.submit(invitation, '/invitation', { name: 'Somebody Gardener', password })
      expect([invited.status, codesOn(invited)]).toEqual([400, [codeOf[what]]])
      const fine = { name: 'Somebody Gardener', password: goodPassword }
      expect((await browser.submit(invitation, '/invitation', fine)).status).toBe(200)

      await setup.askForRecovery(email)
      const link = (await setup.mailbox.waitFor(email, 'recovery')).link!
      const recovery = await browser.get(link)
      const recovered = await browser.submit(recovery, '/recover/password', { password })
      expect([recovered.status, codesOn(recovered)]).toEqual([400, [codeOf[what]]])
      // The link stays valid for an acceptable password.
      expect((await browser.submit(recovery, '/recover/password', { password: otherPassword })).status).toBe(200)

      const { id } = (await setup.account(email))!
      const change = { accountId: id, proof: { password: otherPassword }, newPassword: password, origin: testOrigin }
      expect(await refusal(setup.server.parts.accountChanges.changePassword(change))).toHaveLength(1)
      const { accounts } = setup.server.parts
      expect(await refusal(accounts.setPassword(id, password, operator))).toHaveLength(1)
      const other = { email: email.replace('@', '@other.'), name: 'A Gardener', password }
      expect(await refusal(accounts.create(other, operator))).toHaveLength(1)
      // A password that is already refused is not looked up: its five characters are sent only when
      // the breach check decides.
      const asked = breaches.requests.slice(before).map(({ path }) => path.slice('/range/'.length))
      if (what === 'breached') expect(asked.length).toBeLessThanOrEqual(3)
      else expect(asked).not.toContain(breaches.prefixOf(password))
    },
  )

  test('the command line refuses such passwords too, and names each problem', async () => {
    const env = {
      NODE_ENV: 'test',
      DATABASE_URL: setup.server.databaseUrl,
      BREACH_CHECK_URL: breaches.url,
      MASTER_KEY: '1f'.repeat(16) + '2e'.repeat(16),
    }
    const set = (password: string) =>
      runCommand(['user', 'set-password', 'alice@example.com', '--password-stdin', '--json'], { env, stdin: password })
    expect(await set(breached)).toMatchObject({ code: 1, stderr: expect.stringContaining('password_known') })
    const short = await set('Liddell\u200f')
    expect(short.code).toBe(1)
    expect(JSON.parse(short.stderr).error.problems.map(({ code }: { code: string }) => code)).toEqual([
      'password_direction_marks',
      'password_too_short',
      'password_contains_name',
    ])
    const add = ['user', 'add', 'shell@example.com', '--password-stdin']
    expect(await runCommand(add, { env, stdin: 'my shell has a password' })).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(says('problems.password_contains_email')),
    })
  })

  test('while the breach service is down a password is accepted, and the log has a line', async () => {
    breaches.behave((response) => void response.destroy())
    const noted = () => log.filter((line) => line.includes('"outage":"allow"')).length
    const before = noted()
    expect((await setup.register({ email: 'outage@example.com', password: 'a new lamp for the harbour' })).status).toBe(
      200,
    )
    expect(noted()).toBe(before + 1)
    setup.server.clock.advance(10_000)
  })
})

describe('at the login', () => {
  const outcomes = async (id: string) =>
    (await setup.server.database.knex('audit_event').where({ subject_id: id }).orderBy('sequence')).map(
      ({ action, outcome }) => `${action} ${outcome}`,
    )

  test('the right password that is known from a breach is refused, and an email leads to a new one', async () => {
    const email = 'breached@example.com'
    const id = await imported(email, breached)
    const page = await signIn(email, breached)
    expect(page.status).toBe(403)
    expect(page.next).toBeUndefined()
    expect(codesOn(page)).toEqual(['password_breached'])
    const message = await setup.mailbox.waitFor(email, 'recovery')
    expect(await outcomes(id)).toEqual([
      'account.password_breached failure',
      'account.sign_in_failed failure',
      'account.recovery_requested success',
    ])

    const browser = createBrowser()
    const recovery = await browser.get(message.link!)
    expect((await browser.submit(recovery, '/recover/password', { password: breached })).status).toBe(400)
    expect((await browser.submit(recovery, '/recover/password', { password: goodPassword })).status).toBe(200)
    expect((await signIn(email, goodPassword)).status).toBe(200)
  })

  test('a wrong password, or one of an unknown account, is not looked up, and gets the usual answer', async () => {
    const password = 'another that everybody knows'
    breaches.breach(password)
    await imported('wrong@example.com', otherPassword)
    const before = breaches.requests.length
    for (const email of ['wrong@example.com', 'nobody@example.com']) {
      expect((await signIn(email, password)).status).toBe(400)
    }
    expect(breaches.requests.length).toBe(before)
  })

  test('an unproven address gets the link to verify it instead of a recovery', async () => {
    const email = 'unproven-breached@example.com'
    await imported(email, breached, { email_verified: false })
    expect((await signIn(email, breached)).status).toBe(403)
    expect((await setup.mailbox.waitFor(email, 'verify')).link).toContain('/verify?token=')
  })

  test('without email there is no other way: the user is signed in, and the audit trail records it', async () => {
    const server = await startOther({ SMTP_URL: '' })
    const email = 'no-mail@example.com'
    const id = await imported(email, breached)
    expect((await signIn(email, breached, server)).status).toBe(200)
    expect(await outcomes(id)).toEqual([
      'account.password_breached success',
      'account.password_accepted success',
      'account.signed_in success',
    ])
  })

  test.each([
    ['allow', 200],
    ['refuse', 503],
  ] as const)('while the breach service is down, %s gives %i for the right password', async (outage, status) => {
    const server = await startOther({ BREACH_CHECK_OUTAGE: outage, SMTP_URL: setup.mailbox.url })
    breaches.behave((response) => void response.destroy())
    const email = `outage-${outage}@example.com`
    const id = await imported(email, breached)
    const page = await signIn(email, breached, server)
    expect(page.status).toBe(status)
    if (status === 503) expect(page.headers.get('Retry-After')).toBe('10')
    const reasons = await setup.server.database
      .knex('audit_event')
      .where({ subject_id: id, action: 'account.sign_in_failed' })
      .pluck('details')
    expect(reasons).toEqual(status === 503 ? [{ reason: 'breach_unchecked' }] : [])
    // An answer to a wrong password says nothing about the service.
    expect((await signIn(email, otherPassword, server)).status).toBe(400)
    breaches.behave()
    setup.server.clock.advance(10_000)
    expect((await signIn(email, breached, server)).status).toBe(403)
  })

  test('a password with marks that change the direction of text, from before there was a rule, still signs in', async () => {
    await imported('marks@example.com', 'lanterns \u200fover the quiet river')
    expect((await signIn('marks@example.com', 'lanterns \u200fover the quiet river')).status).toBe(200)
  })
})

test('the log contains no password and no part of its digest', () => {
  const everything = log.join('\n')
  expect(everything).not.toContain(breached)
  for (const password of [breached, goodPassword, otherPassword]) {
    expect(everything).not.toContain(breaches.digestOf(password).slice(5))
    expect(everything).not.toContain(`/range/${breaches.prefixOf(password)}`)
  }
})
