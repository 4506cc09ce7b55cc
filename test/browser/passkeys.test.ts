/**
 * Passkeys in Chromium, with its virtual authenticator: added on the account page, used by button
 * and by autofill, and absent without JavaScript.
 */
import type { Page } from 'playwright-core'
import { goodPassword, operator } from '../registration/setup.ts'
import { describeWith } from '../support/programs.ts'
import { sentence } from '../support/sentences.ts'
import type { Setup } from './setup.ts'
import { openSetup } from './setup.ts'

describeWith('chromium', 'passkeys, in a browser', () => {
  let setup: Setup
  beforeAll(async () => {
    setup = await openSetup()
  })
  afterAll(() => setup?.close())

  const email = 'pia@example.com'
  const deviceName = 'Test device'

  async function addAuthenticator(page: Page) {
    const session = await page.context().newCDPSession(page)
    await session.send('WebAuthn.enable', { enableUI: false })
    const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol: 'ctap2',
        transport: 'internal',
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    })
    return { session, authenticatorId }
  }

  test('a passkey is added on the account page, and then signs in alone', async () => {
    await setup.latchkey.parts.accounts.create({ email, isEmailVerified: true, password: goodPassword }, operator)
    const { page, complaints } = await setup.openWindow()
    const { session, authenticatorId } = await addAuthenticator(page)
    await page.goto(`${setup.issuer}/account/factors`)
    await setup.typeCredentials(page, { email, password: goodPassword })
    await page.getByLabel(sentence('pages.passkey.name')).fill(deviceName)
    await page.getByRole('button', { name: sentence('pages.passkey.create') }).click()
    await page.getByText(sentence('pages.recoveryCodes.heading')).waitFor()
    await page.getByRole('link', { name: sentence('pages.recoveryCodes.kept') }).click()
    // The page offers the passkey from now on, which shows that it works.
    await page.getByRole('button', { name: sentence('pages.passkey.use') }).click()
    await page.getByText(deviceName).waitFor()
    const { credentials } = await session.send('WebAuthn.getCredentials', { authenticatorId })
    expect(credentials).toMatchObject([{ isResidentCredential: true, rpId: 'localhost' }])

    // By autofill: the authenticator answers as soon as the page asks.
    await page.context().clearCookies()
    await page.goto(await setup.authorizeUrl({ state: 'autofilled' }))
    await page.locator('form[action$="/consent"] button').waitFor({ timeout: 20_000 })
    await setup.allow(page)
    await page.waitForURL(`${setup.app}/**`)
    expect(await setup.got(page)).toMatchObject({ state: 'autofilled', code: expect.any(String) })

    // By the button, without a password.
    await session.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled: false })
    await page.context().clearCookies()
    await page.goto(await setup.authorizeUrl({ state: 'pressed' }))
    const button = page.getByRole('button', { name: sentence('pages.passkey.use') })
    await button.waitFor()
    await session.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled: true })
    await button.click()
    await page.waitForURL(`${setup.app}/**`, { timeout: 20_000 })
    expect(complaints).toEqual([])
    await page.context().close()
  })

  test('without JavaScript the login page has no passkey button, and the password works', async () => {
    const { page } = await setup.openWindow({ javaScriptEnabled: false })
    await page.goto(await setup.authorizeUrl())
    expect(await page.getByRole('button', { name: sentence('pages.passkey.use') }).count()).toBe(0)
    await setup.typeCredentials(page)
    await setup.allow(page)
    await page.waitForURL(`${setup.app}/**`)
    await page.context().close()
  })
})
