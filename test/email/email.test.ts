/**
 * Email from the outbox to a real mail server, with the link created at delivery. Failed deliveries
 * are retried, and no request fails.
 */

import { testOrigin } from '../audit/origins.ts'
import type { AccountSetup } from '../registration/setup.ts'
import { goodPassword, openAccountSetup, operator } from '../registration/setup.ts'
import { sendRaw } from '../security/wire.ts'
import { createBrowser } from '../support/browser.ts'
import { startMailbox } from '../support/mailbox.ts'
import { says } from '../support/sentences.ts'
import { waitFor } from '../support/wait.ts'

let setup: AccountSetup
beforeAll(async () => {
  setup = await openAccountSetup()
})
afterAll(() => setup?.close())
afterEach(() => setup.mailbox.setMood('well'))

/** The jobs that the outbox still has to send; the periodic duties are in the same table. */
const jobs = (): Promise<{ attempts: number; last_error: string | null; locked_at: Date | null }[]> =>
  setup.server.database
    .knex('graphile_worker._private_jobs')
    .whereRaw("payload->>'sealed' IS NOT NULL")
    .select('attempts', 'last_error', 'locked_at')
const idle = () => setup.allEmailsSent()
/** Waits until the only queued email has failed once. */
const tried = () => waitFor(async () => (await jobs()).find(({ last_error, locked_at }) => last_error && !locked_at))
const makeDue = () =>
  setup.server.database.knex.raw('UPDATE graphile_worker._private_jobs SET run_at = now() WHERE attempts > 0')
const outcomes = async () => (await setup.server.parts.metrics.getSingleMetric('latchkey_mails_total')!.get()).values
const counted = async (outcome: string) =>
  (await outcomes()).filter(({ labels }) => labels.outcome === outcome).reduce((sum, { value }) => sum + value, 0)

test('an email has text and HTML, the configured sender, and Auto-Submitted', async () => {
  await setup.register({ email: 'form@example.com' })
  const message = await setup.mailbox.waitFor('form@example.com', 'verify')
  expect(message.from).toBe('no-reply@localhost')
  expect(message.headers.from).toBe('Latchkey <no-reply@localhost>')
  expect(message.headers.to).toBe('form@example.com')
  expect(message.headers['auto-submitted']).toBe('auto-generated')
  expect(message.headers['content-type']).toMatch(/^multipart\/alternative/)
  expect(message.text).toContain('form@example.com')
  expect(message.html).toMatch(/<html lang="en">[\s\S]*form@example\.com/)
  expect(message.html).toContain(message.link!.replaceAll('&', '&amp;'))
  expect(message.link!.startsWith(`${setup.server.issuer}/verify?token=`)).toBe(true)
})

test('links are built from the issuer, whatever Host and forwarded headers say', async () => {
  const browser = createBrowser()
  await setup.member('host@example.com')
  const page = await browser.get(setup.at('/recover'))
  const csrf = /name="csrf" value="([^"]+)"/.exec(page.body)![1]!
  const cookie = await browser.jar.getCookieString(setup.at('/'))
  const body = new URLSearchParams({ csrf, email: 'host@example.com' }).toString()
  const lines = [
    'POST /recover HTTP/1.1',
    'Host: evil.example',
    `Cookie: ${cookie}`,
    'Content-Type: application/x-www-form-urlencoded',
    `Content-Length: ${body.length}`,
    'Connection: close',
  ]
  expect(await sendRaw(setup.server.issuer, `${lines.join('\r\n')}\r\n\r\n${body}`)).toMatch(/^HTTP\/1\.1 200 /)
  const toEvilHost = await setup.mailbox.waitFor('host@example.com', 'recovery')
  expect(toEvilHost.link!.startsWith(`${setup.server.issuer}/recover/password?token=`)).toBe(true)
  expect(toEvilHost.raw).not.toContain('evil')
  const answer = await browser.post(
    setup.at('/recover'),
    { csrf, email: 'host@example.com' },
    { 'X-Forwarded-Host': 'evil.example', 'X-Forwarded-Proto': 'https', Forwarded: 'host=evil.example' },
  )
  expect(answer.status).toBe(200)
  const message = await setup.mailbox.waitFor('host@example.com', 'recovery', { count: 2 })
  expect(message.link!.startsWith(`${setup.server.issuer}/recover/password?token=`)).toBe(true)
  expect(message.raw).not.toContain('evil')
})

test('of the text that users type only the address reaches an email: none of their headers, none of their texts', async () => {
  const name = 'You have won, see evil.example'
  await setup.register({ email: 'victim@example.com', name })
  expect((await setup.mailbox.waitFor('victim@example.com', 'verify')).raw).not.toContain('evil.example')
  await idle()
  const before = setup.mailbox.emails.length
  for (const email of [
    'a@example.com\r\nBcc: evil@example.com',
    'a@example.com,evil@example.com',
    'a@example.com;evil@example.com',
    '"a b"@example.com',
    '<evil@example.com>',
    'x <evil@example.com>',
    'a@example.com(comment)',
    'a\u0000@example.com',
    'a\u202E@example.com',
    'a@[127.0.0.1]',
    `${'x'.repeat(65)}@example.com`,
    `a@${'x'.repeat(260)}`,
  ]) {
    for (const answer of [await setup.register({ email }), await setup.askForRecovery(email)]) {
      expect([email, answer.status]).toEqual([email, 400])
    }
  }
  await idle()
  expect(setup.mailbox.emails.length).toBe(before)
})

test('an email contains the configured service name, in any script', async () => {
  await setup.server.parts.settings.set('serviceName', 'Фонарь, "Lantern" <x@y>', operator)
  try {
    await setup.register({ email: 'script@example.com' })
    const message = await setup.mailbox.waitFor('script@example.com', 'verify')
    expect(message.text).toContain('Фонарь, "Lantern" <x@y>')
    expect(message.html).toContain('Фонарь, &#34;Lantern&#34; &lt;x@y&gt;')
    expect(message.from).toBe('no-reply@localhost')
    expect(message.headers.from).toMatch(/<no-reply@localhost>$/)
    expect(message.to).toEqual(['script@example.com'])
  } finally {
    await setup.server.parts.settings.set('serviceName', undefined, operator)
  }
})

test.each(['busy', 'hanging up'] as const)(
  'a registration succeeds while the mail server is %s, and the email is sent when it works again',
  async (mood) => {
    const email = `${mood.replace(' ', '-')}@example.com`
    await idle()
    setup.mailbox.setMood(mood)
    const answer = await setup.register({ email })
    expect(answer.status).toBe(200)
    expect(await setup.account(email)).toMatchObject({ isEmailVerified: false })
    const failed = await tried()
    // Neither the row nor the log repeats the mail server's answer, which may contain the address.
    expect(failed.last_error).toMatch(/did not accept an email/)
    expect(failed.last_error).not.toContain('@')
    setup.mailbox.setMood('well')
    await makeDue()
    const message = await setup.mailbox.waitFor(email, 'verify')
    expect(message.link).toContain('/verify?token=')
    await idle()
  },
)

test('a waiting email is stored encrypted and without its link, and is deleted when it is delivered', async () => {
  await idle()
  setup.mailbox.setMood('busy')
  await setup.register({ email: 'sealed@example.com' })
  await tried()
  const { rows } = await setup.server.database.knex.raw('SELECT j::text AS row FROM graphile_worker._private_jobs j')
  expect(rows.length).toBeGreaterThan(0)
  expect(JSON.stringify(rows)).not.toMatch(/sealed@example|verify\?token|registration/)
  setup.mailbox.setMood('well')
  await makeDue()
  await setup.mailbox.waitFor('sealed@example.com', 'verify')
  await idle()
})

test('an email that the mail server refuses permanently is not repeated, and is counted', async () => {
  const refused = await counted('refused')
  setup.mailbox.setMood('refusing')
  await setup.register({ email: 'refused@example.com' })
  await waitFor(async () => (await counted('refused')) === refused + 1)
  await idle()
  setup.mailbox.setMood('well')
  expect(setup.mailbox.to('refused@example.com')).toEqual([])
})

test('a mailbox gets at most five verify links and three recovery links an hour', async () => {
  const email = 'flooded@example.com'
  const limited = await counted('limited')
  for (let count = 1; count <= 8; count += 1) await setup.register({ email })
  await idle()
  expect(setup.mailbox.to(email)).toHaveLength(5)
  expect(await counted('limited')).toBe(limited + 3)

  const member = 'member@example.com'
  await setup.member(member)
  for (let count = 1; count <= 4; count += 1) await setup.askForRecovery(member)
  await idle()
  expect(setup.mailbox.listOf(member, 'recovery')).toHaveLength(3)
  expect(await counted('limited')).toBe(limited + 4)
  setup.server.clock.advance(61 * 60_000)
  await setup.askForRecovery(member)
  await setup.mailbox.waitFor(member, 'recovery', { count: 4 })
})

test('a mailbox gets at most three emails an hour about repeated registrations', async () => {
  const email = 'bothered@example.com'
  await setup.member(email)
  const limited = await counted('limited')
  for (let count = 1; count <= 5; count += 1) await setup.register({ email })
  await idle()
  expect(await counted('limited')).toBe(limited + 2)
  expect(setup.mailbox.to(email)).toHaveLength(4)
  expect(setup.mailbox.listOf(email, 'already_registered')).toHaveLength(3)
})

test('an email that could not be sent for a day is dropped', async () => {
  await idle()
  setup.mailbox.setMood('busy')
  await setup.register({ email: 'late@example.com' })
  await tried()
  setup.server.clock.advance(25 * 3_600_000)
  setup.mailbox.setMood('well')
  const stale = await counted('stale')
  await makeDue()
  await waitFor(async () => (await counted('stale')) === stale + 1)
  expect(setup.mailbox.to('late@example.com')).toEqual([])
})

test('without a mail server no page offers what needs one, and a notification is counted as not sent', async () => {
  const server = await openAccountSetup({ env: { SMTP_URL: '' } })
  try {
    const browser = createBrowser()
    expect((await browser.get(server.at('/register'))).status).toBe(403)
    expect((await browser.get(server.at('/recover'))).status).toBe(404)
    const alice = (await server.account('alice@example.com'))!
    await server.server.parts.accountChanges.changePassword({
      origin: testOrigin,
      accountId: alice.id,
      proof: { password: 'wonderland tea party' },
      newPassword: goodPassword,
    })
    const metric = server.server.parts.metrics.getSingleMetric('latchkey_mails_total')!
    await waitFor(async () => (await metric.get()).values.some(({ labels }) => labels.outcome === 'unsent'))
  } finally {
    await server.close()
  }
})

test('a mail server that requires TLS gets emails only if its certificate is valid', async () => {
  // The package warns that its own certificate is not secret; this test wants that certificate.
  const { error } = console
  console.error = () => {}
  const strict = await startMailbox({ disabledCommands: [], authOptional: true }).finally(() => {
    console.error = error
  })
  const other = await openAccountSetup({ mailbox: strict })
  try {
    // The certificate is self-signed, so the email must not be sent to that server.
    expect((await other.register({ email: 'tls@example.com' })).status).toBe(200)
    await waitFor(async () => {
      const rows = await other.server.database.knex('graphile_worker._private_jobs').whereNotNull('last_error')
      return rows.length > 0
    })
    expect(strict.emails).toEqual([])
  } finally {
    await other.close()
    await strict.close()
  }
})

test('in development emails are stored and shown at /dev/mail, with the link to click', async () => {
  const development = await openAccountSetup({ env: { NODE_ENV: 'development', SMTP_URL: '' }, isOpen: false })
  try {
    const browser = createBrowser()
    expect((await browser.get(development.at('/dev/mail'))).body).toMatch(says('pages.devMail.none'))
    await development.register({ email: 'dev@example.com' }, browser)
    const page = await waitFor(async () => {
      const shown = await browser.get(development.at('/dev/mail'))
      return shown.body.includes('dev@example.com') && shown
    })
    const link = /href="([^"]*\/verify\?token=[^"]*)"/.exec(page.body)![1]!
    expect((await browser.get(link)).body).toMatch(says('pages.link.submit.verify'))
  } finally {
    await development.close()
  }
})
