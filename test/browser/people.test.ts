/**
 * New accounts, in Chromium: registration, the email, the verification, a forgotten password;
 * without JavaScript, and by keyboard alone.
 */
import type { Page } from 'playwright-core'
import { goodPassword, operator, otherPassword } from '../registration/setup.ts'
import type { Mailbox } from '../support/mailbox.ts'
import { startMailbox } from '../support/mailbox.ts'
import { describeWith } from '../support/programs.ts'
import { says, sentence } from '../support/sentences.ts'
import type { Setup } from './setup.ts'
import { openSetup } from './setup.ts'

describeWith('chromium', 'registration and recovery, in a browser', () => {
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

  const send = (page: Page) => page.locator('form button[type=submit]').first().click()

  test.each([true, false])(
    'a registration from the login page leads back to the app (JavaScript: %s)',
    async (javaScriptEnabled) => {
      const { page, complaints } = await setup.openWindow({ javaScriptEnabled })
      const email = `walk-${javaScriptEnabled}@example.com`
      await page.goto(await setup.authorizeUrl({ state: 'kept' }))
      await page.getByRole('link', { name: sentence('pages.login.register') }).click()
      await page.getByLabel(sentence('pages.form.email')).fill(email)
      await page.getByLabel(sentence('pages.form.name')).fill('Zoë 王')
      await page.getByLabel(sentence('pages.newPassword.label')).fill('short-pass')
      await send(page)
      await page.getByRole('alert').waitFor()
      expect(await page.getByLabel(sentence('pages.form.email')).inputValue()).toBe(email)
      await page.getByRole('alert').locator('[data-code=password_too_short] a').click()
      await page.getByLabel(sentence('pages.newPassword.label')).fill(goodPassword)
      await send(page)
      await page.getByText(sentence('pages.notice.heading.registered')).first().waitFor()
      const { link } = await mailbox.waitFor(email, 'verify')
      await page.goto(link!)
      await page.getByRole('button', { name: sentence('pages.link.submit.verify') }).click()
      await page.getByRole('link', { name: sentence('pages.notice.go') }).click()
      await setup.typeCredentials(page, { email, password: goodPassword })
      await setup.allow(page)
      await page.waitForURL(`${setup.app}/**`)
      expect(await setup.got(page)).toMatchObject({ state: 'kept', code: expect.any(String) })
      expect(complaints).toEqual([])
      await page.context().close()
    },
  )

  test.each([true, false])(
    'a recovery from the login page preserves the request (JavaScript: %s)',
    async (javaScriptEnabled) => {
      const { page, complaints } = await setup.openWindow({ javaScriptEnabled })
      const email = `walk-${javaScriptEnabled}@example.com`
      await page.goto(await setup.authorizeUrl({ state: 'kept too' }))
      await page.getByRole('link', { name: sentence('pages.login.recover') }).click()
      await page.getByLabel(sentence('pages.form.email')).fill(email)
      await send(page)
      await page.getByText(sentence('pages.notice.lead.recovery_sent')).waitFor()
      await page.goto((await mailbox.waitFor(email, 'recovery')).link!)
      await page.getByLabel(sentence('pages.newPassword.label')).fill(otherPassword)
      await send(page)
      await page.getByRole('link', { name: sentence('pages.notice.go') }).click()
      await setup.typeCredentials(page, { email, password: otherPassword })
      await page.waitForURL(`${setup.app}/**`)
      expect(await setup.got(page)).toMatchObject({ state: 'kept too', code: expect.any(String) })
      expect(complaints).toEqual([])
      await page.context().close()
    },
  )

  test('the registration works by keyboard, and every focused control is visible', async () => {
    const { page } = await setup.openWindow()
    await page.goto(`${setup.issuer}/register`)
    const stops: string[] = []
    for (let presses = 0; presses < 4; presses += 1) {
      await page.keyboard.press('Tab')
      stops.push(await page.evaluate<string>('document.activeElement.id || document.activeElement.textContent.trim()'))
      expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).not.toBe('none')
    }
    expect(stops).toEqual(['email', 'name', 'password', sentence('pages.register.submit')])
    await page.locator('#email').focus()
    await page.keyboard.type('keys@example.com')
    await page.keyboard.press('Tab')
    await page.keyboard.type('Keys Only')
    await page.keyboard.press('Tab')
    await page.keyboard.type(goodPassword)
    await page.keyboard.press('Enter')
    await page.getByText(sentence('pages.notice.heading.registered')).first().waitFor()
    const phone = await setup.openWindow({ viewport: { width: 390, height: 800 } })
    await phone.page.goto((await mailbox.waitFor('keys@example.com', 'verify')).link!)
    // Another browser asks for the password first, by keyboard too.
    await phone.page.locator('#password').focus()
    await phone.page.keyboard.type(goodPassword)
    await phone.page.keyboard.press('Enter')
    await phone.page.getByText(sentence('pages.notice.heading.verified')).first().waitFor()
    await phone.page.context().close()
    await page.context().close()
  })

  test('an error is announced to a screen reader: the field is marked invalid and refers to its message', async () => {
    const { page } = await setup.openWindow()
    await page.goto(`${setup.issuer}/register`)
    await page.locator('#email').fill('x@example.com')
    await page.locator('#name').fill('X')
    await page.locator('#password').fill('short')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').waitFor()
    const described = (await page.getAttribute('#password', 'aria-describedby'))!.split(' ')
    expect(await page.getAttribute('#password', 'aria-invalid')).toBe('true')
    const words = await Promise.all(described.map((id) => page.locator(`#${id}`).textContent()))
    expect(words[0]).toMatch(says('problems.password_too_short', { minimum: 12 }))
    expect(words[1]).toMatch(says('pages.newPassword.rules.minimum', { minimum: 12, maximum: 128 }))
    expect(await page.inputValue('#password')).toBe('')
    await page.context().close()
  })

  test('the HTML of an email is accessible: axe finds no problem in it', async () => {
    const { page } = await setup.openWindow({ bypassCSP: true })
    const { html } = await mailbox.waitFor('keys@example.com', 'verify')
    await page.setContent(html)
    await page.addScriptTag({ path: 'node_modules/axe-core/axe.min.js' })
    const violations = await page.evaluate<string[]>(
      "axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ' ' + nodes[0].html))",
    )
    expect(violations.filter((one) => !/^(region|landmark)/.test(one))).toEqual([])
    await page.context().close()
  })
})
