/**
 * The web app and the single-page app in Chromium: login, refresh and logout, as a user does them.
 */
import type { Browser, Frame, Page, Response } from 'playwright-core'
import { launchChromium } from '../pages/chromium.ts'
import { testPassword } from '../support/latchkey.ts'
import { describeWith, getProgram } from '../support/programs.ts'
import type { Setup } from './setup.ts'
import { openSetup } from './setup.ts'

const clientName = /under test$/
const personName = 'Alice Liddell'

describeWith('chromium', 'in a browser', () => {
  let setup: Setup
  let chromium: Browser
  beforeAll(async () => {
    setup = await openSetup()
    chromium = await launchChromium(getProgram('chromium'))
  })
  afterAll(async () => {
    await chromium?.close()
    await setup?.close()
  })

  /** A user's first window, with its errors. */
  async function openWindow(): Promise<{ page: Page; complaints: string[] }> {
    const context = await chromium.newContext()
    const page = await context.newPage()
    page.setDefaultTimeout(10_000)
    const complaints: string[] = []
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
    page.on('pageerror', (error) => complaints.push(error.message))
    return { page, complaints }
  }

  const submit = (page: Page) => page.locator('form').first().locator('button').click()

  /** From the app's login button back to the app. */
  async function logIn(page: Page, { asksConsent = true } = {}): Promise<void> {
    await page.locator('#login').click()
    await page.locator('#email').fill('alice@example.com')
    await page.locator('#password').fill(testPassword)
    await submit(page)
    if (asksConsent) {
      await page.waitForURL(/\/interaction\//)
      await page.locator('.client-name', { hasText: clientName }).waitFor()
      await submit(page)
    }
    await page.locator('#name').waitFor()
  }

  /**
   * The app's button sends the ID token of this session. The browser then returns to the app's own
   * page.
   */
  async function logOut(page: Page, home: string): Promise<void> {
    // The single-page app shows its login button before it redirects to Latchkey: wait for the
    // return.
    const isHome = (frame: Frame) => frame === page.mainFrame() && frame.url() === home
    await Promise.all([page.waitForEvent('framenavigated', isHome), page.locator('#logout').click()])
    await page.locator('#login').waitFor()
  }

  const readClaims = async (page: Page) => JSON.parse((await page.locator('#claims').textContent()) ?? '')

  test('web app: login shows the user, refresh renews, logout ends the session at Latchkey too', async () => {
    const { page, complaints } = await openWindow()
    await page.goto(setup.web.url)
    await logIn(page)
    expect(page.url()).toBe(setup.web.url)
    expect(await readClaims(page)).toMatchObject({
      iss: setup.issuer,
      aud: 'demo-web',
      name: personName,
      email: 'alice@example.com',
      email_verified: true,
    })
    for (const times of ['1', '2']) {
      await page.locator('#refresh').click()
      await page.locator('#refreshed', { hasText: times }).waitFor()
    }
    await logOut(page, setup.web.url)
    // The consent is remembered, but the session is not.
    await logIn(page, { asksConsent: false })
    expect(complaints).toEqual([])
    await page.context().close()
  })

  test('web app: a cancelled login shows a message, and the user may try again', async () => {
    const { page } = await openWindow()
    await page.goto(setup.web.url)
    await page.locator('#login').click()
    await page.locator('#email').waitFor()
    // The app answers 200 to a sign-in that its user cancelled, and 400 to any other failure.
    const isBack = (response: Response) => response.url().includes('error=access_denied') && response.status() === 200
    await Promise.all([page.waitForResponse(isBack), page.locator('form').last().locator('button').click()])
    await page.locator('#problem').waitFor()
    await page.getByRole('link').click()
    await page.locator('#login').waitFor()
    await page.context().close()
  })

  test('web app: the callback of a login from another browser is refused (RFC 6749 §10.12)', async () => {
    const { error } = console
    console.error = () => {} // The app logs the reason for its administrator.
    const response = await fetch(`${setup.web.url}callback?code=stolen&state=x&iss=${encodeURIComponent(setup.issuer)}`)
    expect(response.status).toBe(400)
    const begun = await fetch(`${setup.web.url}login`, { redirect: 'manual' })
    const cookie = begun.headers.getSetCookie()[0]?.split(';')[0] ?? ''
    const planted = await fetch(`${setup.web.url}callback?code=stolen&state=x`, { headers: { cookie } })
    expect(planted.status).toBe(400)
    console.error = error
  })

  test('single-page app: login, refresh by button and by timer, logout', async () => {
    const { page, complaints } = await openWindow()
    await page.clock.install()
    await page.goto(setup.spa.url)
    await logIn(page)
    expect(page.url()).toBe(setup.spa.url)
    expect(await readClaims(page)).toMatchObject({ name: personName, email: 'alice@example.com' })

    await page.locator('#refresh').click()
    await page.locator('#refreshed', { hasText: '1' }).waitFor()
    const expiry = await page.locator('#expires').textContent()

    // The token expires after ten minutes. The library renews it one minute before.
    await page.clock.fastForward('09:05')
    await page.locator('#refreshed', { hasText: '2' }).waitFor()
    expect(await page.locator('#expires').textContent()).not.toBe(expiry)

    await page.reload()
    await page.locator('#name', { hasText: personName }).waitFor()
    await logOut(page, setup.spa.url)
    await page.reload()
    await page.locator('#login').waitFor()
    expect(complaints).toEqual([])
    await page.context().close()
  })
})
