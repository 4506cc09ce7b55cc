/** Signing in as a person does it, in Chromium: login, consent, cancel, mistakes; with and without JavaScript, by keyboard alone. */
import { describeWith } from '../support/programs.ts'
import { says } from '../support/sentences.ts'
import type { House } from './house.ts'
import { openHouse, shopName } from './house.ts'

describeWith('chromium', 'signing in, in a browser', () => {
  let house: House
  beforeAll(async () => {
    house = await openHouse()
  })
  afterAll(() => house?.close())

  test.each([true, false])('login and consent lead back to the app (JavaScript: %s)', async (javaScriptEnabled) => {
    const { page, complaints } = await house.openWindow({ javaScriptEnabled })
    await page.goto(await house.authorizeUrl({ prompt: 'consent', state: 'kept' }))
    await house.typeCredentials(page)
    await page.getByText(shopName).first().waitFor()
    expect(await page.textContent('body')).toContain(new URL(house.app).host)
    await house.allow(page)
    await page.waitForURL(`${house.app}/**`)
    const answer = await house.got(page)
    expect(answer).toMatchObject({ method: 'GET', state: 'kept', iss: house.issuer, code: expect.any(String) })
    expect(complaints).toEqual([])
  })

  test.each([true, false])(
    'letters of any script can be typed before the @ (JavaScript: %s)',
    async (javaScriptEnabled) => {
      const email = 'пользователь@münchen.example'
      const { accounts } = house.latchkey.parts
      if (!(await accounts.findByEmail(email))) {
        await accounts.create(
          { email, password: 'a kettle sings in the morning' },
          { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } },
        )
      }
      const { page, complaints } = await house.openWindow({ javaScriptEnabled })
      await page.goto(await house.authorizeUrl({ prompt: 'consent' }))
      const field = page.locator('#email')
      expect(await field.getAttribute('type')).toBe('text')
      expect(await field.getAttribute('inputmode')).toBe('email')
      expect(await field.getAttribute('autocomplete')).toBe('username webauthn')
      await house.typeCredentials(page, {
        email: 'Пользователь@xn--mnchen-3ya.example',
        password: 'a kettle sings in the morning',
      })
      await house.allow(page)
      await page.waitForURL(`${house.app}/**`)
      expect(await house.got(page)).toMatchObject({ code: expect.any(String) })
      expect(complaints).toEqual([])
    },
  )

  test('the keyboard alone is enough, and the focus is where it is needed', async () => {
    const { page } = await house.openWindow()
    await page.goto(await house.authorizeUrl({ prompt: 'consent' }))
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
    await page.waitForURL(`${house.app}/**`)
  })

  test('a wrong password says so, keeps the address, forgets the password, and points at the field', async () => {
    const { page, complaints } = await house.openWindow()
    await page.goto(await house.authorizeUrl())
    await house.typeCredentials(page, { password: 'not the right password' })
    const alert = page.locator('[role=alert]')
    await alert.waitFor()
    expect(await page.inputValue('#email')).toBe('alice@example.com')
    expect(await page.inputValue('#password')).toBe('')
    expect(await page.getAttribute('#password', 'aria-invalid')).toBe('true')
    expect(await page.getAttribute('#password', 'aria-describedby')).toBe(await alert.getAttribute('id'))
    expect(await page.getAttribute('#email', 'autocomplete')).toBe('username webauthn')
    expect(await page.getAttribute('#password', 'autocomplete')).toBe('current-password')
    expect(await page.locator('label[for=email], label[for=password]').count()).toBe(2)
    await house.typeCredentials(page)
    await alert.waitFor({ state: 'detached' })
    expect(complaints).toEqual([])
  })

  test.each([true, false])(
    'cancel tells the app, at login and at consent (JavaScript: %s)',
    async (javaScriptEnabled) => {
      for (const isKnown of [false, true]) {
        const { page } = await house.openWindow({ javaScriptEnabled })
        await page.goto(await house.authorizeUrl({ prompt: isKnown ? 'consent' : undefined, state: 'no' }))
        if (isKnown) {
          await house.typeCredentials(page)
          await page.locator('form[action$="/consent"]').waitFor()
        }
        await page.locator('form[action$="/cancel"] button').click()
        await page.waitForURL(`${house.app}/**`)
        expect(await house.got(page)).toMatchObject({ error: 'access_denied', state: 'no', iss: house.issuer })
      }
    },
  )

  test('the answer is remembered across browsers, and asked again only for more', async () => {
    const first = await house.openWindow()
    await first.page.goto(await house.authorizeUrl({ prompt: 'consent' }))
    await house.typeCredentials(first.page)
    await house.allow(first.page)
    await first.page.waitForURL(`${house.app}/**`)

    const second = await house.openWindow()
    await second.page.goto(await house.authorizeUrl())
    await house.typeCredentials(second.page)
    await second.page.waitForURL(`${house.app}/**`)
    await second.page.goto(await house.authorizeUrl({ scope: 'openid profile email', resource: undefined }))
    await second.page.locator('form[action$="/consent"]').waitFor()
    expect(await second.page.textContent('body')).toMatch(says('pages.consent.scope.email'))
  })

  test('another account takes over from the consent page and from the choice of accounts', async () => {
    await house.latchkey.parts.accounts.create(
      { email: 'bob@example.com', name: 'Bob', password: 'a walrus and a carpenter' },
      { actor: { type: 'system' }, origin: { job: 'test' } },
    )
    for (const prompt of ['consent', 'select_account']) {
      const { page } = await house.openWindow()
      await page.goto(await house.authorizeUrl())
      await house.typeCredentials(page)
      await page.waitForURL(`${house.app}/**`)
      await page.goto(await house.authorizeUrl({ prompt }))
      expect(await page.textContent('body')).toContain('alice@example.com')
      await page.locator('form[action$="/switch"] button').click()
      await house.typeCredentials(page, { email: 'bob@example.com', password: 'a walrus and a carpenter' })
      await page.locator('form[action$="/consent"]').waitFor()
      expect(await page.textContent('body')).toContain('bob@example.com')
      await page.locator('form[action$="/cancel"] button').click()
      await page.waitForURL(`${house.app}/**`)
    }
  })

  test('logout asks; staying keeps the session, signing out ends it and returns to the app', async () => {
    const { page } = await house.openWindow()
    await page.goto(await house.authorizeUrl())
    await house.typeCredentials(page)
    await page.waitForURL(`${house.app}/**`)
    const logout = `${house.issuer}/logout?client_id=shop&post_logout_redirect_uri=${encodeURIComponent(`${house.app}/bye`)}&state=later`
    await page.goto(logout)
    await page.locator('button:not([name=logout])').last().click()
    await page.waitForURL(`${house.app}/bye**`)
    await page.goto(await house.authorizeUrl({ prompt: 'none' }))
    expect(await house.got(page)).toHaveProperty('code')

    await page.goto(logout)
    await page.locator('button[name=logout]').click()
    await page.waitForURL(`${house.app}/bye**`)
    expect(await house.got(page)).toMatchObject({ state: 'later' })
    await page.goto(await house.authorizeUrl({ prompt: 'none' }))
    expect(await house.got(page)).toMatchObject({ error: 'login_required' })
  })
})
