/** The CAPTCHA in Chromium: under our CSP, done while the password is typed; and without JavaScript, the way round it. */

import { attempt } from '../limits/house.ts'
import { goodPassword, operator } from '../registration/house.ts'
import type { Mailbox } from '../support/mailbox.ts'
import { startMailbox } from '../support/mailbox.ts'
import { describeWith } from '../support/programs.ts'
import { sentence } from '../support/sentences.ts'
import type { House } from './house.ts'
import { openHouse } from './house.ts'

describeWith('chromium', 'after five failures', () => {
  let house: House
  let mailbox: Mailbox
  beforeAll(async () => {
    mailbox = await startMailbox()
    house = await openHouse({ SMTP_URL: mailbox.url })
  })
  afterAll(async () => {
    await house?.close()
    await mailbox?.close()
  })

  async function guessed(email: string): Promise<void> {
    await house.latchkey.parts.accounts.create({ email, isEmailVerified: true, password: goodPassword }, operator)
    for (let tries = 0; tries < 5; tries += 1) await attempt(house.latchkey, email, 'not this one')
  }

  test('the check is done by itself, and the right password signs in', async () => {
    const email = 'guessed@example.com'
    await guessed(email)
    const { page, complaints } = await house.openWindow()
    await page.goto(await house.authorizeUrl())
    await house.typeCredentials(page, { email, password: goodPassword })
    await page.locator('[data-code=captcha_needed]').waitFor()
    await page
      .locator('altcha-widget[data-state=verified], altcha-widget [data-state=verified]')
      .first()
      .waitFor({ timeout: 60_000 })
    await house.typeCredentials(page, { email, password: goodPassword })
    await house.allow(page)
    await page.waitForURL(`${house.app}/**`)
    expect(complaints).toEqual([])
    await page.context().close()
  }, 90_000)

  test('without JavaScript the mailed link is the way in', async () => {
    const email = 'no-script@example.com'
    await guessed(email)
    const { page } = await house.openWindow({ javaScriptEnabled: false })
    await page.goto(await house.authorizeUrl())
    await house.typeCredentials(page, { email, password: goodPassword })
    await page.getByText(sentence('pages.login.captcha.noscript')).waitFor()
    await page.getByRole('link', { name: sentence('pages.login.recover') }).click()
    await page.getByLabel(sentence('pages.form.email')).fill(email)
    await page.locator('form button[type=submit]').first().click()
    await page.goto((await mailbox.waitFor(email)).link!)
    await page.getByLabel(sentence('pages.newPassword.label')).fill('chosen without a script')
    await page.locator('form button[type=submit]').first().click()
    await page.getByRole('link', { name: sentence('pages.notice.go') }).click()
    await house.typeCredentials(page, { email, password: 'chosen without a script' })
    await house.allow(page)
    await page.waitForURL(`${house.app}/**`)
    await page.context().close()
  })
})
