/**
 * Browsers that have signed in before: a browser that recovered is one of them, and an account has
 * at most fifty.
 */
import { testOrigin } from '../audit/origins.ts'
import { minutes } from '../oidc/support.ts'
import { createBrowser } from '../support/browser.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey } from '../support/latchkey.ts'
import type { Mailbox } from '../support/mailbox.ts'
import { startMailbox } from '../support/mailbox.ts'
import { allEmailsSent } from '../support/outbox.ts'
import { waitFor } from '../support/wait.ts'
import { attempt } from './setup.ts'

const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const
const right = 'the lantern of somebody is lit'
const chosen = 'another lantern is lit now'
const dayMs = 24 * 3_600_000

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
beforeEach(() => server.clock.advance(minutes(61)))

async function person(name: string) {
  const email = `${name}@known.example`
  await server.parts.accounts.create({ email, isEmailVerified: true, password: right }, operator)
  return (await server.parts.accounts.findByEmail(email))!
}

const known = (accountId: string) => server.database.knex('known_browser').where({ account_id: accountId })

test('eleven failed attempts of an attacker after a recovery do not lock out the browser that used the link', async () => {
  const { id, email } = await person('recovers')
  const owner = createBrowser()
  await owner.submit(await owner.get(`${server.issuer}/recover`), '/recover', { email })
  const page = await owner.get((await mailbox.waitFor(email, 'recovery')).link!)
  const weak = await owner.submit(page, '/recover/password', { password: 'short' })
  expect([weak.status, (await known(id)).length]).toEqual([400, 0])
  expect((await owner.submit(page, '/recover/password', { password: chosen })).status).toBe(200)
  expect(await known(id)).toMatchObject([{ generation: 1 }])
  for (let tries = 0; tries < 11; tries += 1) await attempt(server, email, 'not the password')
  expect((await attempt(server, email, chosen)).status).toBe(429)
  expect((await attempt(server, email, chosen, owner)).status).toBe(200)
})

test('an account has fifty known browsers: the longest unseen are removed, and the one that signs in stays', async () => {
  const account = await person('many')
  const { loginThrottle } = server.parts
  const remember = (token: string) =>
    server.database.transaction((tx) => loginThrottle.rememberBrowser(tx, token, account))
  const keys = async () => (await known(account.id).select('key')).map(({ key }) => key.toString('hex'))
  await remember('first')
  const [first] = await keys()
  for (let count = 0; count < 49; count += 1) {
    server.clock.advance(1000)
    await remember(`browser ${count}`)
  }
  expect(await keys()).toHaveLength(50)
  await Promise.all(Array.from({ length: 5 }, (_, count) => remember(`at once ${count}`)))
  expect(await keys()).toHaveLength(50)
  expect(await keys()).not.toContain(first)
  // Another account's browsers are counted separately.
  const other = await person('other')
  await server.database.transaction((tx) => loginThrottle.rememberBrowser(tx, 'first', other))
  expect(await known(other.id)).toHaveLength(1)
})

test('at most five emails a day about new browsers, each in the audit trail; emails about locks do not use them up', async () => {
  const { id, email } = await person('travels')
  const { securityNotifications } = server.parts
  const account = (await server.parts.accounts.readById(id))!
  const login = { account, level: 'password', amr: ['pwd'], clientId: 'web', origin: testOrigin }
  const signIn = (count: number) =>
    securityNotifications.signedIn({ ...login, browserToken: `browser ${count}` }, { decide: async () => true })
  // Three notices of the kind that any stranger can cause.
  for (let times = 0; times < 4; times += 1) {
    await securityNotifications.locked(email, { origin: testOrigin })
  }
  await mailbox.waitFor(email, 'sign_in_locked', { count: 3 })
  for (let count = 0; count < 9; count += 1) await signIn(count)
  const outcome = async () =>
    (await server.parts.metrics.getSingleMetric('latchkey_mails_total')!.get()).values.find(
      ({ labels }) => labels.mail === 'new_browser' && labels.outcome === 'limited',
    )?.value
  await waitFor(async () => (await outcome()) === 3)
  await allEmailsSent(server.database.knex)
  expect(mailbox.listOf(email, 'new_browser')).toHaveLength(5)
  const events = await server.parts.audit.listOf(id, 50)
  expect(events.filter(({ action }) => action === 'account.new_browser')).toHaveLength(8)
  server.clock.advance(dayMs)
  await signIn(100)
  await mailbox.waitFor(email, 'new_browser', { count: 6 })
})

test('a password that an administrator sets makes every browser unknown', async () => {
  const { id, email } = await person('reset')
  const browser = createBrowser()
  await createRelyingParty(server, browser).signIn({}, { email, password: right })
  expect(await known(id)).toHaveLength(1)
  await server.parts.accounts.setPassword(id, chosen, operator)
  expect(await known(id)).toEqual([])
  for (let tries = 0; tries < 11; tries += 1) await attempt(server, email, 'not the password')
  expect((await attempt(server, email, chosen, browser)).status).toBe(429)
})

/** Eleven wrong passwords lock the user's own browser. */
async function lockOwn(owner: ReturnType<typeof createBrowser>, email: string) {
  expect((await attempt(server, email, right, owner)).status).toBe(200)
  for (let tries = 0; tries < 11; tries += 1) await attempt(server, email, 'not the password', owner)
  expect((await attempt(server, email, right, owner)).status).toBe(429)
}

test('an unlock by an operator clears the failures of a known browser', async () => {
  const { id, email } = await person('unlocked')
  const owner = createBrowser()
  await lockOwn(owner, email)
  await server.parts.accounts.unlock(id, operator)
  expect((await attempt(server, email, right, owner)).status).toBe(200)
})

test('a recovery in a known browser deletes its failures', async () => {
  const { id, email } = await person('locked-out')
  const owner = createBrowser()
  await lockOwn(owner, email)
  const { knex } = server.database
  const keys = await known(id).pluck('key')
  expect(await knex('guess_count').whereIn('key', keys)).toHaveLength(1)
  await owner.submit(await owner.get(`${server.issuer}/recover`), '/recover', { email })
  const { link } = await mailbox.waitFor(email, 'recovery')
  await owner.submit(await owner.get(link!), '/recover/password', { password: chosen })
  // The browser has a new key, and no sweep deletes a count of a hundred failures.
  expect(await knex('guess_count').whereIn('key', keys)).toEqual([])
  expect((await attempt(server, email, chosen, owner)).status).toBe(200)
})

test('a copied cookie of a known browser is invalid after a password change', async () => {
  const { id, email } = await person('copied')
  const owner = createBrowser()
  expect((await attempt(server, email, right, owner)).status).toBe(200)
  const cookieOf = async () => (await owner.jar.getCookies(server.issuer)).find(({ key }) => key === 'latchkey.device')!
  const copied = await cookieOf()
  const rp = createRelyingParty(server, owner)
  await rp.signIn({ prompt: 'login' }, { email, password: right })
  const page = await owner.get(`${server.issuer}/account/password`)
  const changed = await owner.submit(page, '/account/password', { currentPassword: right, password: chosen })
  expect(changed.status).toBe(303)
  expect((await cookieOf()).value).not.toBe(copied.value)
  expect(await known(id)).toHaveLength(1)
  const thief = createBrowser()
  for (const key of ['latchkey.device', 'latchkey.device.sig']) {
    const value = key.endsWith('.sig') ? 'x' : copied.value
    await thief.jar.setCookie(`${key}=${value}; Path=/`, server.issuer)
  }
  for (let tries = 0; tries < 11; tries += 1) await attempt(server, email, 'not the password', thief)
  expect((await attempt(server, email, chosen, owner)).status).toBe(200)
})

test('a hundred wrong passwords in a row disable the password in a known browser too', async () => {
  const { id, email } = await person('hundred')
  const owner = createBrowser()
  expect((await attempt(server, email, right, owner)).status).toBe(200)
  await attempt(server, email, 'not the password', owner)
  await server.database.knex('guess_count').whereIn('key', known(id).select('key')).update({ total: 100, tries: 0 })
  expect((await attempt(server, email, right, owner)).status).toBe(403)
})
