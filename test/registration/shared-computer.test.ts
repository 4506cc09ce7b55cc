/**
 * Two users at one browser: the next registration does not change one that waits for verification,
 * and a double click is one registration.
 */
import type { Browser } from '../support/browser.ts'
import { createBrowser } from '../support/browser.ts'
import type { AccountSetup } from './setup.ts'
import { goodPassword, openAccountSetup, otherPassword } from './setup.ts'

let setup: AccountSetup
beforeAll(async () => {
  setup = await openAccountSetup()
})
afterAll(() => setup?.close())

const cookieOf = async (browser: Browser, name: string) =>
  (await browser.jar.getCookies(setup.server.issuer)).find(({ key }) => key === name)?.value

test('a second registration of the address in the same browser changes neither name nor password', async () => {
  const browser = createBrowser()
  const email = 'again@example.com'
  await setup.register({ email, name: 'First', password: goodPassword }, browser)
  const before = await setup.account(email)
  await setup.register({ email, name: 'Second', password: otherPassword }, browser)
  expect(await setup.account(email)).toEqual(before)
  expect(await setup.signsIn(email, goodPassword)).toBe(true)
  expect(await setup.signsIn(email, otherPassword)).toBe(false)
  expect(await setup.trail(before!.id)).toContain('account.registration_repeated')
})

test('each registration has its own cookie: after a later one the earlier link requires the password', async () => {
  const browser = createBrowser()
  await setup.register({ email: 'earlier@example.com' }, browser)
  const first = await cookieOf(browser, 'latchkey.registration')
  await setup.register({ email: 'later@example.com', password: otherPassword }, browser)
  expect(await cookieOf(browser, 'latchkey.registration')).not.toBe(first)
  const earlier = await browser.get((await setup.mailbox.waitFor('earlier@example.com', 'verify')).link!)
  expect(earlier.body).toContain('/verify/password')
  const later = await browser.get((await setup.mailbox.waitFor('later@example.com', 'verify')).link!)
  expect((await browser.submit(later, '/verify')).status).toBe(200)
  expect((await browser.submit(earlier, '/verify/password', { password: goodPassword })).status).toBe(200)
})

test('the cookie is the same for an address that has an account: it reveals nothing', async () => {
  const names = async (email: string) =>
    (await setup.register({ email })).headers.getSetCookie().map((cookie) => cookie.replace(/=[^;]*/, ''))
  expect(await names('alice@example.com')).toEqual(await names('alice-not@example.com'))
})

test('a form that is sent twice is one registration, and its browser confirms by the button', async () => {
  const browser = createBrowser()
  const email = 'double@example.com'
  const page = await browser.get(setup.at('/register'))
  const fields = { email, name: 'Double', password: goodPassword }
  const click = () => browser.submit(page, '/register', fields)
  expect((await Promise.all([click(), click()])).map(({ status }) => status)).toEqual([200, 200])
  expect((await click()).status).toBe(200)
  await setup.allEmailsSent()
  const [newest] = await setup.server.database.knex('account_link').where({ purpose: 'verify', email })
  expect(newest.digest).not.toBeNull()
  // Emails that are sent at once arrive in any order, and one of their links is the newest.
  const emails = setup.mailbox.listOf(email, 'verify')
  expect(emails).toHaveLength(3)
  const pages = []
  for (const { link } of emails) pages.push(await browser.get(link!))
  const good = pages.filter(({ status }) => status === 200)
  expect(good).toHaveLength(1)
  expect((await browser.submit(good[0]!, '/verify')).status).toBe(200)
  expect(await setup.account(email)).toMatchObject({ isEmailVerified: true, name: 'Double' })
})

test('the form of the user before, sent again with another password, changes nothing', async () => {
  const browser = createBrowser()
  const email = 'back-button@example.com'
  const page = await browser.get(setup.at('/register'))
  await browser.submit(page, '/register', { email, name: 'First', password: goodPassword })
  await browser.submit(page, '/register', { email, name: 'Second', password: otherPassword })
  expect(await setup.account(email)).toMatchObject({ name: 'First' })
  expect(await setup.signsIn(email, goodPassword)).toBe(true)
  expect(await setup.signsIn(email, otherPassword)).toBe(false)
})

test('the forms of other tabs stay valid after a registration', async () => {
  const browser = createBrowser()
  const tab = await browser.get(setup.at('/recover'))
  const browserId = await cookieOf(browser, 'latchkey.browser')
  await setup.register({ email: 'tabs@example.com' }, browser)
  expect(await cookieOf(browser, 'latchkey.browser')).toBe(browserId)
  expect((await browser.submit(tab, '/recover', { email: 'tabs@example.com' })).status).toBe(200)
})
