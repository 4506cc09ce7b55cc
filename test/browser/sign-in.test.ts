/**
 * Signing in as a user does, in Chromium: login, consent, cancel, mistakes; with and without
 * JavaScript, by keyboard alone.
 */
import { describeWith } from '../support/programs.ts'
import { says } from '../support/sentences.ts'
import type { Setup } from './setup.ts'
import { openSetup, shopName } from './setup.ts'

describeWith('chromium', 'signing in, in a browser', () => {
  let setup: Setup
  beforeAll(async () => {
    setup = await openSetup()
  })
  afterAll(() => setup?.close())

  test.each([true, false])('login and consent lead back to the app (JavaScript: %s)', async (javaScriptEnabled) => {
    const { page, complaints } = await setup.openWindow({ javaScriptEnabled })
    await page.goto(await setup.authorizeUrl({ prompt: 'consent', state: 'kept' }))
    await setup.typeCredentials(page)
    await page.getByText(shopName).first().waitFor()
    expect(await page.textContent('body')).toContain(new URL(setup.app).host)
    await setup.allow(page)
    await page.waitForURL(`${setup.app}/**`)
    const answer = await setup.got(page)
    expect(answer).toMatchObject({ method: 'GET', state: 'kept', iss: setup.issuer, code: expect.any(String) })
    expect(complaints).toEqual([])
  })

  test.each([true, false])(
    'letters of any script can be typed before the @ (JavaScript: %s)',
    async (javaScriptEnabled) => {
      const email = 'пользователь@münchen.example'
      const { accounts } = setup.latchkey.parts
      if (!(await accounts.findByEmail(email))) {
        await accounts.create(
          { email, password: 'a kettle sings in the morning' },
          { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } },
        )
      }
      const { page, complaints } = await setup.openWindow({ javaScriptEnabled })
      await page.goto(await setup.authorizeUrl({ prompt: 'consent' }))
      const field = page.locator('#email')
      expect(await field.getAttribute('type')).toBe('text')
      expect(await field.getAttribute('inputmode')).toBe('email')
      expect(await field.getAttribute('autocomplete')).toBe('username webauthn')
      await setup.typeCredentials(page, {
        email: 'Пользователь@xn--mnchen-3ya.example',
        password: 'a kettle sings in the morning',
      })
      await setup.allow(page)
      await page.waitForURL(`${setup.app}/**`)
      expect(await setup.got(page)).toMatchObject({ code: expect.any(String) })
      expect(complaints).toEqual([])
    },
  )

  test('a sign-in works by keyboard, with the focus on the next control', async () => {
    const { page } = await setup.openWindow()
    await page.goto(await setup.authorizeUrl({ prompt: 'consent' }))
    expect(await page.evaluate('document.activeElement?.id')).toBe('email')
    await page.keyboard.type('alice@example.com')
    await page.keyboard.press('Tab')
    await page.keyboard.type('wonderland tea party')
    await page.keyboard.press('Enter')
    await page.waitForURL(/interaction/)
    const button = page.locator('form[action$="/consent"] button')
    await button.waitFor()
    const isFocused = `document.activeElement?.matches('form[action$="/consent"] button')`
    for (let presses = 0; presses < 12; presses += 1) {
      await page.keyboard.press('Tab')
      if (await page.evaluate(isFocused)) break
    }
    const outline = await page.evaluate<string>('getComputedStyle(document.activeElement).outlineStyle')
    expect(outline).not.toBe('none')
    await page.keyboard.press('Enter')
    await page.waitForURL(`${setup.app}/**`)
  })

  test('a wrong password shows an error, keeps the email, clears the password, and marks the field', async () => {
    const { page, complaints } = await setup.openWindow()
    await page.goto(await setup.authorizeUrl())
    await setup.typeCredentials(page, { password: 'not the right password' })
    const alert = page.locator('[role=alert]')
    await alert.waitFor()
    expect(await page.inputValue('#email')).toBe('alice@example.com')
    expect(await page.inputValue('#password')).toBe('')
    expect(await page.getAttribute('#password', 'aria-invalid')).toBe('true')
    expect(await page.getAttribute('#password', 'aria-describedby')).toBe(await alert.getAttribute('id'))
    expect(await page.getAttribute('#email', 'autocomplete')).toBe('username webauthn')
    expect(await page.getAttribute('#password', 'autocomplete')).toBe('current-password')
    expect(await page.locator('label[for=email], label[for=password]').count()).toBe(2)
    await setup.typeCredentials(page)
    await alert.waitFor({ state: 'detached' })
    expect(complaints).toEqual([])
  })

  test.each([true, false])(
    'cancel returns access_denied to the app, at login and at consent (JavaScript: %s)',
    async (javaScriptEnabled) => {
      for (const isKnown of [false, true]) {
        const { page } = await setup.openWindow({ javaScriptEnabled })
        await page.goto(await setup.authorizeUrl({ prompt: isKnown ? 'consent' : undefined, state: 'no' }))
        if (isKnown) {
          await setup.typeCredentials(page)
          await page.locator('form[action$="/consent"]').waitFor()
        }
        await page.locator('form[action$="/cancel"] button').click()
        await page.waitForURL(`${setup.app}/**`)
        expect(await setup.got(page)).toMatchObject({ error: 'access_denied', state: 'no', iss: setup.issuer })
      }
    },
  )

  test('a consent is remembered in another browser, and requested again only for more', async () => {
    const first = await setup.openWindow()
    await first.page.goto(await setup.authorizeUrl({ prompt: 'consent' }))
    await setup.typeCredentials(first.page)
    await setup.allow(first.page)
    await first.page.waitForURL(`${setup.app}/**`)

    const second = await setup.openWindow()
    await second.page.goto(await setup.authorizeUrl())
    await setup.typeCredentials(second.page)
    await second.page.waitForURL(`${setup.app}/**`)
    await second.page.goto(await setup.authorizeUrl({ scope: 'openid profile email', resource: undefined }))
    await second.page.locator('form[action$="/consent"]').waitFor()
    expect(await second.page.textContent('body')).toMatch(says('pages.consent.scope.email'))
  })

  test('a switch to another account works on the consent page and the account page', async () => {
    await setup.latchkey.parts.accounts.create(
      { email: 'bob@example.com', name: 'Bob', password: 'a walrus and a carpenter' },
      { actor: { type: 'system' }, origin: { job: 'test' } },
    )
    for (const prompt of ['consent', 'select_account']) {
      const { page } = await setup.openWindow()
      await page.goto(await setup.authorizeUrl())
      await setup.typeCredentials(page)
      await page.waitForURL(`${setup.app}/**`)
      await page.goto(await setup.authorizeUrl({ prompt }))
      expect(await page.textContent('body')).toContain('alice@example.com')
      await page.locator('form[action$="/switch"] button').click()
      await setup.typeCredentials(page, { email: 'bob@example.com', password: 'a walrus and a carpenter' })
      await page.locator('form[action$="/consent"]').waitFor()
      expect(await page.textContent('body')).toContain('bob@example.com')
      await page.locator('form[action$="/cancel"] button').click()
      await page.waitForURL(`${setup.app}/**`)
    }
  })

  test('logout asks for confirmation; staying keeps the session, signing out ends it and returns to the app', async () => {
    const { page } = await setup.openWindow()
    await page.goto(await setup.authorizeUrl())
    await setup.typeCredentials(page)
    await page.waitForURL(`${setup.app}/**`)
    const logout = `${setup.issuer}/logout?client_id=shop&post_logout_redirect_uri=${encodeURIComponent(`${setup.app}/bye`)}&state=later`
    await page.goto(logout)
    await page.locator('button:not([name=logout])').last().click()
    await page.waitForURL(`${setup.app}/bye**`)
    await page.goto(await setup.authorizeUrl({ prompt: 'none' }))
    expect(await setup.got(page)).toHaveProperty('code')

    await page.goto(logout)
    await page.locator('button[name=logout]').click()
    await page.waitForURL(`${setup.app}/bye**`)
    expect(await setup.got(page)).toMatchObject({ state: 'later' })
    await page.goto(await setup.authorizeUrl({ prompt: 'none' }))
    expect(await setup.got(page)).toMatchObject({ error: 'login_required' })
  })
})
