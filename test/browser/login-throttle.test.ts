/**
 * The CAPTCHA in Chromium: under our CSP, solved while the user types the password. Without
 * JavaScript, the alternative.
 */

import { attempt } from '../limits/setup.ts'
import { goodPassword, operator } from '../registration/setup.ts'
import type { Mailbox } from '../support/mailbox.ts'
import { startMailbox } from '../support/mailbox.ts'
import { describeWith } from '../support/programs.ts'
import { sentence } from '../support/sentences.ts'
import type { Setup } from './setup.ts'
import { openSetup } from './setup.ts'

describeWith('chromium', 'after five failures', () => {
  let setup: Setup
  let mailbox: Mailbox
  beforeAll(async () => {
    mailbox = await startMailbox()
    setup = await openSetup({ SMTP_URL: mailbox.url })
  })
  afterAll(async () => {
    await setup?.close()
    await mailbox?.close()
  })

  async function guessed(email: string): Promise<void> {
    await setup.latchkey.parts.accounts.create({ email, isEmailVerified: true, password: goodPassword }, operator)
    for (let tries = 0; tries < 5; tries += 1) await attempt(setup.latchkey, email, 'not this one')
  }

  test('the CAPTCHA is solved without a click, and the right password signs in', async () => {
    const email = 'guessed@example.com'
    await guessed(email)
    const { page, complaints } = await setup.openWindow()
    await page.goto(await setup.authorizeUrl())
    await setup.typeCredentials(page, { email, password: goodPassword })
    await page.locator('[data-code=captcha_needed]').waitFor()
    await page
      .locator('altcha-widget[data-state=verified], altcha-widget [data-state=verified]')
      .first()
      .waitFor({ timeout: 60_000 })
    await setup.typeCredentials(page, { email, password: goodPassword })
    await setup.allow(page)
    await page.waitForURL(`${setup.app}/**`)
    expect(complaints).toEqual([])
    await page.context().close()
  })

  test('without JavaScript a recovery by the emailed link leads to a sign-in', async () => {
    const email = 'no-script@example.com'
    await guessed(email)
    const { page } = await setup.openWindow({ javaScriptEnabled: false })
    await page.goto(await setup.authorizeUrl())
    await setup.typeCredentials(page, { email, password: goodPassword })
    await page.getByText(sentence('pages.login.captcha.noscript')).waitFor()
    await page.getByRole('link', { name: sentence('pages.login.recover') }).click()
    await page.getByLabel(sentence('pages.form.email')).fill(email)
    await page.locator('form button[type=submit]').first().click()
    await page.goto((await mailbox.waitFor(email, 'recovery')).link!)
    await page.getByLabel(sentence('pages.newPassword.label')).fill('chosen without a script')
    await page.locator('form button[type=submit]').first().click()
    await page.getByRole('link', { name: sentence('pages.notice.go') }).click()
    await setup.typeCredentials(page, { email, password: 'chosen without a script' })
    await setup.allow(page)
    await page.waitForURL(`${setup.app}/**`)
    await page.context().close()
  })
})
