/** Two people at one browser: a registration that waits for its proof is not changed by the next one, and a double click is one registration. */
import type { Browser } from '../support/browser.ts'
import { createBrowser } from '../support/browser.ts'
import type { PeopleHouse } from './house.ts'
import { goodPassword, openPeopleHouse, otherPassword } from './house.ts'

let house: PeopleHouse
beforeAll(async () => {
  house = await openPeopleHouse()
})
afterAll(() => house?.close())

const cookieOf = async (browser: Browser, name: string) =>
  (await browser.jar.getCookies(house.server.issuer)).find(({ key }) => key === name)?.value

test('a second registration of the address in the same browser changes neither name nor password', async () => {
  const browser = createBrowser()
  const email = 'again@example.com'
  await house.register({ email, name: 'First', password: goodPassword }, browser)
  const before = await house.account(email)
  await house.register({ email, name: 'Second', password: otherPassword }, browser)
  expect(await house.account(email)).toEqual(before)
  expect(await house.signsIn(email, goodPassword)).toBe(true)
  expect(await house.signsIn(email, otherPassword)).toBe(false)
  expect(await house.trail(before!.id)).toContain('account.registration_repeated')
})

test('each registration has a cookie of its own: the earlier one wants its password, whatever was registered after it', async () => {
  const browser = createBrowser()
  await house.register({ email: 'earlier@example.com' }, browser)
  const first = await cookieOf(browser, 'latchkey.registration')
  await house.register({ email: 'later@example.com', password: otherPassword }, browser)
  expect(await cookieOf(browser, 'latchkey.registration')).not.toBe(first)
  const earlier = await browser.get((await house.mailbox.waitFor('earlier@example.com')).link!)
  expect(earlier.body).toContain('/verify/password')
  const later = await browser.get((await house.mailbox.waitFor('later@example.com')).link!)
  expect((await browser.submit(later, '/verify')).status).toBe(200)
  expect((await browser.submit(earlier, '/verify/password', { password: goodPassword })).status).toBe(200)
})

test('the cookie is the same for an address that has an account: it tells nothing', async () => {
  const names = async (email: string) =>
    (await house.register({ email })).headers.getSetCookie().map((cookie) => cookie.replace(/=[^;]*/, ''))
  expect(await names('alice@example.com')).toEqual(await names('alice-not@example.com'))
})

test('the same form sent twice, at once or one after the other, is one registration, and its browser confirms by the button', async () => {
  const browser = createBrowser()
  const email = 'double@example.com'
  const page = await browser.get(house.at('/register'))
  const fields = { email, name: 'Double', password: goodPassword }
  const click = () => browser.submit(page, '/register', fields)
  expect((await Promise.all([click(), click()])).map(({ status }) => status)).toEqual([200, 200])
  expect((await click()).status).toBe(200)
  await house.mailbox.waitFor(email, 3)
  const [newest] = await house.server.database.knex('account_link').where({ purpose: 'verify', email })
  expect(newest.digest).not.toBeNull()
  // Emails that are sent at once arrive in any order: one of their links is the newest.
  const pages = []
  for (const { link } of house.mailbox.to(email)) pages.push(await browser.get(link!))
  const good = pages.filter(({ status }) => status === 200)
  expect(good).toHaveLength(1)
  expect((await browser.submit(good[0]!, '/verify')).status).toBe(200)
  expect(await house.account(email)).toMatchObject({ isEmailVerified: true, name: 'Double' })
})

test('the form of the person before, sent again with another password, changes nothing', async () => {
  const browser = createBrowser()
  const email = 'back-button@example.com'
  const page = await browser.get(house.at('/register'))
  await browser.submit(page, '/register', { email, name: 'First', password: goodPassword })
  await browser.submit(page, '/register', { email, name: 'Second', password: otherPassword })
  expect(await house.account(email)).toMatchObject({ name: 'First' })
  expect(await house.signsIn(email, goodPassword)).toBe(true)
  expect(await house.signsIn(email, otherPassword)).toBe(false)
})

test('the forms of other tabs stay good after a registration', async () => {
  const browser = createBrowser()
  const tab = await browser.get(house.at('/recover'))
  const browserId = await cookieOf(browser, 'latchkey.browser')
  await house.register({ email: 'tabs@example.com' }, browser)
  expect(await cookieOf(browser, 'latchkey.browser')).toBe(browserId)
  expect((await browser.submit(tab, '/recover', { email: 'tabs@example.com' })).status).toBe(200)
})
