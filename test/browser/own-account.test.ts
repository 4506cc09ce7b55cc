/**
 * The whole use of an account, in Chromium: from registration to deletion, without JavaScript, and
 * by keyboard alone.
 */
import type { Page } from 'playwright-core'
import { createPhone, fromBase32 } from '../mfa/setup.ts'
import { goodPassword, operator, otherPassword } from '../registration/setup.ts'
import type { Mailbox } from '../support/mailbox.ts'
import { startMailbox } from '../support/mailbox.ts'
import { describeWith } from '../support/programs.ts'
import { says, sentence } from '../support/sentences.ts'
import type { Setup } from './setup.ts'
import { openSetup, shopName } from './setup.ts'

/** Runs in the browser. */
const focused = `(() => {
  const element = document.activeElement
  const name = element.id || element.getAttribute('href') || element.textContent.trim()
  return getComputedStyle(element).outlineStyle === 'none' ? name + ' shows no focus' : name
})()`
const wider = 'document.documentElement.scrollWidth > document.documentElement.clientWidth'

describeWith('chromium', 'the account pages, in a browser', () => {
  let setup: Setup
  let mailbox: Mailbox
  beforeAll(async () => {
    mailbox = await startMailbox()
    setup = await openSetup({ SMTP_URL: mailbox.url })
    await setup.latchkey.parts.settings.set('registration', 'open', operator)
  })
  afterAll(async () => {
    await setup?.close()
    await mailbox?.close()
  })

  const send = (page: Page, action: string) => page.locator(`form[action="${action}"] button[type=submit]`).click()

  /** Sets up an app on the page that shows its secret. Returns the phone. */
  async function addApp(page: Page) {
    await page.goto(`${setup.issuer}/account/factors`)
    await page.getByRole('link', { name: sentence('pages.own.factors.app.add') }).click()
    await page.getByText(sentence('pages.totp.byHand')).click()
    const secret = (await page.locator('code.secret').textContent())!
    const phone = createPhone(fromBase32(secret), setup.latchkey.clock)
    await page.locator('#code').fill(phone.code())
    await send(page, '/account/factors/app')
    await page.getByText(sentence('pages.recoveryCodes.heading')).waitFor()
    setup.latchkey.clock.advance(30_000)
    return phone
  }

  test.each([true, false])('from registration to deletion (JavaScript: %s)', async (javaScriptEnabled) => {
    const { page, complaints } = await setup.openWindow({ javaScriptEnabled })
    const email = `life-${javaScriptEnabled}@example.com`
    await page.goto(`${setup.issuer}/register`)
    await page.getByLabel(sentence('pages.form.email')).fill(email)
    await page.getByLabel(sentence('pages.form.name')).fill('Zoë 王')
    await page.getByLabel(sentence('pages.newPassword.label')).fill(goodPassword)
    await page.locator('form[action="/register"] button[type=submit]').click()
    await page.goto((await mailbox.waitFor(email, 'verify')).link!)
    await page.getByRole('button', { name: sentence('pages.link.submit.verify') }).click()

    await page.goto(`${setup.issuer}/account/profile`)
    await setup.typeCredentials(page, { email, password: goodPassword })
    if (!javaScriptEnabled) await page.getByRole('link').first().waitFor()
    await page.waitForURL('**/account/profile')
    await page.getByLabel(sentence('pages.own.profile.field.nickname')).fill('Zo')
    await send(page, '/account/profile')
    await page.getByText(sentence('pages.own.done.profile')).waitFor()

    await page
      .getByRole('link', { name: sentence('pages.own.nav.password'), exact: true })
      .first()
      .click()
    await page.getByLabel(sentence('pages.own.currentPassword')).fill(goodPassword)
    await page.getByLabel(sentence('pages.newPassword.label')).fill(otherPassword)
    await send(page, '/account/password')
    await page.getByText(sentence('pages.own.done.password')).waitFor()

    const phone = await addApp(page)
    await page.context().clearCookies()
    await page.goto(await setup.authorizeUrl())
    await setup.typeCredentials(page, { email, password: otherPassword })
    await page.locator('#code').fill(phone.code())
    await page.getByRole('button', { name: sentence('pages.factor.totp.submit') }).click()
    await setup.allow(page)
    await page.waitForURL(`${setup.app}/**`)

    await page.goto(`${setup.issuer}/account/applications`)
    await page.getByText(shopName).waitFor()
    await page.getByRole('button', { name: sentence('pages.own.applications.withdraw') }).click()
    await page.getByText(sentence('pages.own.done.withdrawn')).waitFor()
    await page.goto(`${setup.issuer}/account/sessions`)
    await page.getByText(sentence('pages.own.sessions.this'), { exact: true }).waitFor()
    await page.goto(`${setup.issuer}/account/events`)
    await page.getByText(says('pages.own.event.factor.added')).first().waitFor()

    await page.goto(`${setup.issuer}/account/data`)
    await page.getByLabel(sentence('pages.own.data.delete.sure')).check()
    await send(page, '/account/data/delete')
    await page.getByRole('button', { name: sentence('pages.own.leaving.keep') }).waitFor()
    await page.goto(await setup.authorizeUrl())
    await setup.typeCredentials(page, { email, password: otherPassword })
    await page.locator('[data-code=account_leaving]').waitFor()
    expect(complaints).toEqual([])
    await page.context().close()
  })

  test('every control of the profile is reached by keyboard in order, shows its focus, and works', async () => {
    const { page } = await setup.openWindow()
    await page.goto(`${setup.issuer}/account/profile`)
    await setup.typeCredentials(page)
    await page.waitForURL('**/account/profile')
    const controls = await page.locator('a[href]:visible, button:visible, input:visible').count()
    const seen: string[] = []
    for (let step = 0; step < controls; step += 1) {
      await page.keyboard.press('Tab')
      seen.push(await page.evaluate<string>(focused))
    }
    expect(seen.filter((name) => name.endsWith('shows no focus'))).toEqual([])
    expect(seen.indexOf('/account/data')).toBeLessThan(seen.indexOf('name'))
    expect(seen.indexOf('name')).toBeLessThan(seen.indexOf(sentence('pages.own.profile.submit')))
    await page.locator('#nickname').focus()
    await page.keyboard.type('Al')
    await page.keyboard.press('Enter')
    await page.getByText(sentence('pages.own.done.profile')).waitFor()
    await page.context().close()
  })

  test.each([
    ['phone', { width: 390, height: 844 }],
    ['desktop', { width: 1280, height: 900 }],
  ])('no page is wider than a %s', async (_name, viewport) => {
    const { page } = await setup.openWindow({ viewport })
    await page.goto(`${setup.issuer}/account`)
    await setup.typeCredentials(page)
    await page.waitForURL('**/account')
    for (const name of [
      '',
      '/profile',
      '/email',
      '/password',
      '/factors',
      '/factors/app',
      '/sessions',
      '/applications',
      '/events',
      '/data',
    ]) {
      await page.goto(`${setup.issuer}/account${name}`)
      const isWider = await page.evaluate<boolean>(wider)
      expect([name, isWider]).toEqual([name, false])
    }
    await page.context().close()
  })
})
