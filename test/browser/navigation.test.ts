/**
 * How the browser returns to the client: Chromium checks form-action at every redirect, so no form
 * may start a chain of redirects.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describeWith } from '../support/programs.ts'
import type { Setup } from './setup.ts'
import { openSetup } from './setup.ts'

describeWith('chromium', 'redirects to the client, in a browser', () => {
  let setup: Setup
  beforeAll(async () => {
    setup = await openSetup()
  })
  afterAll(() => setup?.close())

  test.each([true, false])(
    'a callback that redirects to another origin is reached (JavaScript: %s)',
    async (javaScriptEnabled) => {
      const { page, complaints } = await setup.openWindow({ javaScriptEnabled })
      await page.goto(await setup.authorizeUrl({ redirect_uri: `${setup.app}/moved`, prompt: 'consent' }))
      await setup.typeCredentials(page)
      await setup.allow(page)
      await page.waitForURL(`${setup.other}/arrived**`)
      expect(await setup.got(page)).toMatchObject({ path: '/arrived', code: expect.any(String) })
      expect(complaints).toEqual([])
    },
  )

  test('a native app on an ephemeral loopback port gets its code (RFC 8252 §7.3)', async () => {
    const received = Promise.withResolvers<URL>()
    const listener = createServer((request, response) => {
      if (request.url?.startsWith('/callback')) received.resolve(new URL(request.url, 'http://127.0.0.1'))
      response.end('back in the app')
    })
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
    const redirectUri = `http://127.0.0.1:${(listener.address() as AddressInfo).port}/callback`
    const { page, complaints } = await setup.openWindow()
    await page.goto(await setup.authorizeUrl({ client_id: 'phone', redirect_uri: redirectUri }))
    await setup.typeCredentials(page)
    await setup.allow(page)
    expect((await received.promise).searchParams.get('code')).toEqual(expect.any(String))
    expect(complaints).toEqual([])
    listener.closeAllConnections()
    listener.close()
  })

  test('a redirect to a private-use scheme does not violate the content security policy (RFC 8252 §7.1)', async () => {
    const { page, complaints } = await setup.openWindow()
    const scheme = 'com.example.phone'
    const left = Promise.withResolvers<string>()
    page.on('response', (response) => {
      const location = response.headers().location ?? ''
      if (location.startsWith(`${scheme}:`)) left.resolve(location)
    })
    await page.goto(await setup.authorizeUrl({ client_id: 'phone', redirect_uri: `${scheme}:/callback` }))
    await setup.typeCredentials(page)
    await page.locator('.client-host', { hasText: scheme }).waitFor()
    await setup.allow(page)
    expect(await left.promise).toMatch(/^com\.example\.phone:\/callback\?code=/)
    expect(complaints.filter((complaint) => complaint.includes('Content Security Policy'))).toEqual([])
  })

  test('form_post is submitted by its own script, and by a visible button without JavaScript', async () => {
    const parameters = { response_mode: 'form_post', prompt: 'consent' }
    const { page, complaints } = await setup.openWindow()
    await page.goto(await setup.authorizeUrl(parameters))
    await setup.typeCredentials(page)
    await setup.allow(page)
    await page.waitForURL(`${setup.app}/**`)
    expect(await setup.got(page)).toMatchObject({ method: 'POST', iss: setup.issuer, state: 'the-state' })
    expect(complaints).toEqual([])

    const plain = await setup.openWindow({ javaScriptEnabled: false })
    const policies = new Map<string, string>()
    plain.page.on('response', (response) => {
      policies.set(new URL(response.url()).pathname, response.headers()['content-security-policy'] ?? '')
    })
    await plain.page.goto(await setup.authorizeUrl(parameters))
    await setup.typeCredentials(plain.page)
    await setup.allow(plain.page)
    const button = plain.page.locator(`form[action^="${setup.app}"] button`)
    await button.waitFor()
    const last = policies.get(new URL(plain.page.url()).pathname) ?? ''
    expect(last).not.toContain('form-action')
    expect(last).toContain("script-src 'self'")
    for (const [path, policy] of policies) {
      if (policy !== last && !path.startsWith('/assets/'))
        expect([path, policy]).toEqual([path, expect.stringContaining("form-action 'self'")])
    }
    await button.click()
    await plain.page.waitForURL(`${setup.app}/**`)
    expect(await setup.got(plain.page)).toMatchObject({ method: 'POST', code: expect.any(String) })
  })

  test('a sign-in popup keeps its opener', async () => {
    const { page } = await setup.openWindow()
    await page.goto(`${setup.app}/callback`)
    const url = await setup.authorizeUrl()
    const [popup] = await Promise.all([
      page.waitForEvent('popup'),
      page.evaluate(`void window.open(${JSON.stringify(url)})`),
    ])
    await setup.typeCredentials(popup)
    await popup.waitForURL(`${setup.app}/**`)
    expect(await popup.evaluate('window.opener !== null')).toBe(true)
  })
})
