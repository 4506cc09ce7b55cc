/** `latchkey user invite` and the doctor's check of the SMTP server. */

import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { testOrigin } from '../audit/origins.ts'
import { attempt, solve } from '../limits/setup.ts'
import { addPhone } from '../mfa/setup.ts'
import type { AccountSetup } from '../registration/setup.ts'
import { goodPassword, openAccountSetup, operator } from '../registration/setup.ts'
import { says, sentence } from '../support/sentences.ts'
import { runCommand } from './command-line.ts'

let setup: AccountSetup
beforeAll(async () => {
  setup = await openAccountSetup()
})
afterAll(() => setup?.close())

const run = (args: readonly string[], env: Record<string, string> = {}) =>
  runCommand(args, {
    env: {
      NODE_ENV: 'test',
      DATABASE_URL: setup.server.databaseUrl,
      SMTP_URL: setup.mailbox.url,
      MASTER_KEY: '1f'.repeat(16) + '2e'.repeat(16),
      ISSUER: setup.server.issuer,
      ...env,
    },
  })

test('an invitation from the command line is sent by the running server', async () => {
  const invited = await run([
    'user',
    'invite',
    'cli@example.com',
    '--name',
    'From The Shell',
    '--role',
    'editor',
    '--json',
  ])
  expect(invited).toMatchObject({ code: 0, stderr: '' })
  const message = await setup.mailbox.waitFor('cli@example.com', 'invitation')
  expect(message.link!.startsWith(`${setup.server.issuer}/invitation?token=`)).toBe(true)
  expect(await setup.account('cli@example.com')).toMatchObject({
    id: invited.json().id,
    roles: ['editor'],
    isEmailVerified: false,
  })
  const again = await run(['user', 'invite', 'cli@example.com', '--name', 'Second', '--role', 'reader', '--json'])
  expect(again.json()).toEqual(invited.json())
  expect(await setup.account('cli@example.com')).toMatchObject({ name: 'Second', roles: ['reader'] })
  expect(await run(['user', 'invite', 'alice@example.com'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('email_taken'),
  })
  expect(await run(['user', 'invite', 'nobody'])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(says('problems.not_email')),
  })
  expect(await run(['user', 'invite', 'x@example.com'], { SMTP_URL: '' })).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('mail_not_configured'),
  })
})

async function smtpCheck(env: Record<string, string>) {
  const { checks } = (await run(['doctor', '--json'], env)).json()
  return checks.find((one: { check: string }) => one.check === 'mail')
}

test('the doctor connects to the mail server, and reports its state without secrets', async () => {
  expect(await smtpCheck({})).toMatchObject({ status: 'ok', code: 'mail_ok' })
  const deaf = createServer((socket) => socket.end('554 go away\r\n'))
  await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve))
  const { port } = deaf.address() as AddressInfo
  const away = await smtpCheck({ SMTP_URL: `smtp://user:secret-word@127.0.0.1:${port}` })
  deaf.close()
  expect(away).toMatchObject({ status: 'failed', code: 'mail_away' })
  expect(JSON.stringify(away)).not.toMatch(/secret-word|go away/)
  expect(await smtpCheck({ SMTP_URL: '' })).toMatchObject({ status: 'ok', code: 'mail_kept' })
})

test('a support operator sees the factors of an account, removes them, requires one, and lifts a lock', async () => {
  const email = 'helped@example.com'
  const id = await setup.server.parts.accounts.create(
    { email, isEmailVerified: true, password: goodPassword },
    operator,
  )
  await addPhone(setup.server, email)
  const factors = async () => (await run(['user', 'factors', email, '--json'])).json()
  expect(await factors()).toMatchObject({
    id,
    required: false,
    factors: ['totp'],
    recovery_codes: 10,
    remembered_browsers: 0,
    off: [],
  })
  expect(await run(['user', 'require-factor', email])).toMatchObject({ code: 0, stderr: '' })
  expect(await factors()).toMatchObject({ required: true })
  expect((await run(['user', 'require-factor', email, '--off', '--json'])).json()).toMatchObject({ required: false })
  expect((await run(['user', 'reset-factors', email, '--json'])).json()).toMatchObject({ removed: ['totp'] })
  expect(await factors()).toMatchObject({ factors: [], recovery_codes: 0 })
  for (let tries = 0; tries < 11; tries += 1) await attempt(setup.server, email, 'not this one')
  expect((await attempt(setup.server, email, goodPassword)).status).toBe(429)
  expect(await run(['user', 'unlock', email])).toMatchObject({ code: 0, stderr: '' })
  expect((await attempt(setup.server, email, goodPassword)).status).toBe(200)
  expect(await setup.trail(id)).toEqual(
    expect.arrayContaining(['factor.removed', 'account.factor_required', 'account.unlocked']),
  )
})

test('network unlock clears the wrong passwords of an IP address, in every notation', async () => {
  const email = 'neighbour@example.com'
  const { accounts, loginThrottle } = setup.server.parts
  await accounts.create({ email, isEmailVerified: true, password: goodPassword }, operator)
  const fail = async () => {
    throw new Error('wrong')
  }
  // The failures of earlier tests do not count any more.
  setup.server.clock.advance(60 * 60_000)
  for (let tries = 0; tries < 100; tries += 1) {
    // After 20 failures in fifteen minutes an attempt without a CAPTCHA solution is not checked or
    // counted.
    if ([20, 40, 60].includes(tries)) setup.server.clock.advance(15 * 60_000)
    const captcha =
      tries < 80 ? undefined : await solve(await setup.server.parts.captcha.create('none'), setup.server.drawn)
    const guess = { identifier: `${tries}@example.net`, ip: '127.0.0.1', interaction: 'none', captcha }
    const guessing = loginThrottle.attempt(
      guess,
      fail,
      () => true,
      async () => {},
    )
    const refusal = await guessing.catch((error: Error) => error.message)
    expect([tries, refusal]).toEqual([tries, 'wrong'])
  }
  expect((await attempt(setup.server, email, goodPassword)).status).toBe(429)
  const unlocked = await run(['network', 'unlock', '::ffff:7f00:1', '--json'])
  expect(unlocked).toMatchObject({ code: 0, stderr: '' })
  const networks = ['127.0.0.1/32', '127.0.0.0/24']
  expect(unlocked.json()).toEqual({ ip: '127.0.0.1', networks, had_failures: true })
  expect((await attempt(setup.server, email, goodPassword)).status).toBe(200)
  const events = await setup.server.database.knex('audit_event').where({ action: 'network.unlocked' })
  expect(events).toMatchObject([{ subject_type: 'network', subject_id: '127.0.0.1/32', details: { networks } }])
  expect((await run(['network', 'unlock', '192.0.2.9', '--json'])).json()).toMatchObject({ had_failures: false })
  expect((await run(['network', 'unlock', '2001:0DB8:0:1::7', '--json'])).json()).toMatchObject({
    networks: ['2001:db8:0:1::/64', '2001:db8::/48'],
  })
  expect(await run(['network', 'unlock', '10.1'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('network_invalid'),
  })
})

test('an operator sets the email of an account, and the doctor lists accounts that their email no longer finds', async () => {
  const { accounts, mailboxes } = setup.server.parts
  const { knex } = setup.server.database
  const id = await accounts.create({ email: 'keeps@xn--mnchen-3ya.example', isEmailVerified: true }, operator)
  const other = crypto.randomUUID()
  const email = 'keeps@ｍünchen.example'
  await knex('account').insert({ id: other, email, email_key: email, created_at: 1, updated_at: 1 })
  await mailboxes.run()
  const listed = async () => {
    const { checks } = (await run(['doctor', '--json'])).json()
    return checks.filter((one: { check: string }) => one.check === 'emails')
  }
  const [finding] = await listed()
  expect(finding).toMatchObject({ status: 'warning', code: 'email_duplicate', params: { id: other, keeperId: id } })
  const names = { id: other, email, keeperId: id, keeperEmail: 'keeps@münchen.example' }
  expect(finding.message).toBe(sentence('doctor.email_duplicate', names))
  expect(finding.message).toContain(`user set-email ${other} `)
  // An email that both accounts use is ambiguous.
  for (const typed of [email, 'keeps@münchen.example']) {
    const refused = await run(['user', 'set-email', typed, 'another@example.com'])
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('account_ambiguous') })
    expect(refused.stderr).toContain(sentence('errors.account_ambiguous', { keeper: id, marked: other }))
  }
  expect((await accounts.readById(id))!.generation).toBe(0)

  expect(await run(['user', 'set-email', other, 'keeps@MÜNCHEN.example'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('email_taken'),
  })
  expect(await run(['user', 'set-email', other, 'x@ex%41mple.com'])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(says('problems.not_email')),
  })
  const set = await run(['user', 'set-email', other, 'Other@xn--kln-sna.example', '--email-verified', '--json'])
  expect(set).toMatchObject({ code: 0, stderr: '' })
  expect(set.json()).toEqual({ id: other, email: 'Other@köln.example', email_verified: true })
  expect((await run(['user', 'show', 'other@köln.example', '--json'])).json()).toMatchObject({ id: other })
  expect((await run(['user', 'show', 'keeps@münchen.example', '--json'])).json()).toMatchObject({ id })
  expect(await setup.trail(other)).toEqual(['account.email_marked', 'account.email_set'])
  expect((await accounts.readById(other))!.generation).toBe(1)
  expect(await listed()).toMatchObject([{ status: 'ok', code: 'emails_ok' }])
})

test('the doctor reports that a marked account can have its email again when no other account has it', async () => {
  const { accounts, mailboxes } = setup.server.parts
  const { knex } = setup.server.database
  const id = await accounts.create({ email: 'free@xn--mnchen-3ya.example', isEmailVerified: true }, operator)
  const other = crypto.randomUUID()
  const email = 'free@ｍünchen.example'
  await knex('account').insert({ id: other, email, email_key: email, created_at: 1, updated_at: 1 })
  await mailboxes.run()
  await accounts.update(id, { email: 'gave-it-up@example.com' }, operator)
  const { checks } = (await run(['doctor', '--json'])).json()
  const free = checks.find((one: { check: string }) => one.check === 'emails')
  expect(free).toMatchObject({ code: 'email_free', params: { id: other, email } })
  const [, command = ''] = /latchkey (user set-email .*)$/.exec(free.message) ?? []
  expect(await run(command.split(' '))).toMatchObject({ code: 0 })
  expect(await accounts.findByEmail('free@münchen.example')).toMatchObject({ id: other })
})

test('a waiting reset of factors is shown, and user reset-factors ends it and all sessions', async () => {
  const email = 'waiting-reset@example.com'
  const { accounts, factorResets } = setup.server.parts
  const id = await accounts.create({ email, isEmailVerified: true, password: goodPassword }, operator)
  await addPhone(setup.server, email)
  await factorResets.request({ accountId: id, generation: 0 }, testOrigin)
  const { dueAt } = (await factorResets.pending({ accountId: id, generation: 0 }))!
  const { reset_due: due } = (await run(['user', 'factors', email, '--json'])).json()
  expect(due).toBe(new Date(dueAt).toISOString())
  const reset = await run(['user', 'reset-factors', email])
  expect(reset.stdout).toContain(sentence('cli.user.factorsReset', { email, count: 1 }))
  expect((await accounts.readById(id))!.generation).toBe(1)
  expect(await setup.server.database.knex('factor_reset').where({ account_id: id })).toEqual([])
})
