/**
 * A sign-in belongs to the browser that began it. Tested in Chromium with cookies planted from a
 * sibling host.
 */
import type { BrowserContext, Page } from 'playwright-core'
import { testPassword } from '../support/latchkey.ts'
import { describeWith } from '../support/programs.ts'
import { sentence } from '../support/sentences.ts'
import type { OtherSites } from './other-sites.ts'
import { openOtherSites } from './other-sites.ts'

describeWith('chromium', 'cookies planted from a sibling host', () => {
  let hosts: OtherSites
  beforeAll(async () => {
    hosts = await openOtherSites()
    // Both have consented before, so a resumed sign-in redirects directly to the app.
    for (const email of ['alice@example.com', 'mallory@example.com']) {
      const { context, page } = await hosts.openBrowser()
      await hosts.begin(page)
      await hosts.signIn(page, email)
      await page.locator('form[action$="/consent"] button').click()
      await page.waitForURL(`${hosts.app}/**`)
      await context.close()
    }
  })
  afterAll(() => hosts?.close())

  /** The cookies of `context` whose name contains `part`, as the attacker's page sets them. */
  const cookiesOf = async (context: BrowserContext, part: string): Promise<string[]> =>
    (await context.cookies()).filter(({ name }) => name.includes(part)).map(hosts.asPlanted)

  const namesOf = async (context: BrowserContext): Promise<string[]> =>
    (await context.cookies()).map(({ name }) => name)

  /** Every way to set a cookie whose name only the login host may use (RFC 6265bis §4.1.3.2). */
  const forgedBindings = (uid: string): string[] => {
    const cookie = `latchkey.i.${uid}=${hosts.latchkey.clock.now()}`
    const attributes = 'Domain=latchkey.example; Path=/; Secure'
    return ['__Host-', '__HOST-', '=__Host-', ''].map((prefix) => `${prefix}${cookie}; ${attributes}`)
  }

  /** Sends a form of this tab's page to another interaction. */
  async function sendTo(page: Page, path: string, fields: Record<string, string>) {
    const answered = page.waitForResponse((response) => new URL(response.url()).pathname === path)
    const script = ({ path, fields }: { path: string; fields: Record<string, string> }) => {
      // biome-ignore lint/suspicious/noExplicitAny: this runs in the page, whose types the tests do not have
      const { document } = globalThis as any
      const form = document.createElement('form')
      const token = document.querySelector('input[name=csrf]').value
      for (const [name, value] of Object.entries({ ...fields, csrf: token })) {
        const input = document.createElement('input')
        input.name = name
        input.value = value
        form.append(input)
      }
      form.method = 'post'
      form.action = path
      document.body.append(form)
      form.submit()
    }
    await page.evaluate(script, { path, fields })
    const status = (await answered).status()
    await page.waitForLoadState('networkidle')
    return { status, body: await page.content() }
  }

  test('with planted cookies a user cannot sign in in an interaction of the attacker, and the attacker cannot resume the user’s sign-in', async () => {
    const attacker = await hosts.openBrowser()
    const victim = await hosts.openBrowser()
    const uid = await hosts.begin(attacker.page)
    const cookies = [...(await cookiesOf(attacker.context, 'latchkey.interaction')), ...forgedBindings(uid)]
    const shown = await hosts.plant(victim.page, cookies, `${hosts.issuer}/interaction/${uid}`)
    expect(await namesOf(victim.context)).toContain('__Secure-latchkey.interaction')
    const page = await victim.page.content()
    await hosts.signIn(victim.page)
    await victim.page.waitForLoadState('networkidle')
    await attacker.page.goto(`${hosts.issuer}/authorize/${uid}`)
    expect({
      status: shown?.status(),
      isExpired: page.includes('interaction_expired'),
      attackerHasCode: attacker.page.url().startsWith(hosts.app),
      attackerIsSignedIn: (await namesOf(attacker.context)).includes('__Host-latchkey.session'),
    }).toEqual({ status: 400, isExpired: true, attackerHasCode: false, attackerIsSignedIn: false })
    expect(await namesOf(victim.context)).not.toContain(`__Host-latchkey.i.${uid}`)
  })

  test('with planted cookies a user cannot sign in in an interaction of the attacker with a passkey either', async () => {
    const attacker = await hosts.openBrowser()
    const victim = await hosts.openBrowser()
    const session = await victim.context.newCDPSession(victim.page)
    await session.send('WebAuthn.enable', { enableUI: false })
    await session.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol: 'ctap2',
        transport: 'internal',
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    })
    await victim.page.goto(`${hosts.issuer}/account/factors`)
    await hosts.signIn(victim.page, 'pia@example.com')
    await victim.page.getByLabel(sentence('pages.passkey.name')).fill('Test device')
    await victim.page.getByRole('button', { name: sentence('pages.passkey.create') }).click()
    await victim.page.getByText(sentence('pages.recoveryCodes.heading')).waitFor()
    await victim.context.clearCookies()
    // The victim's passkey works: the browser's autofill signs in as soon as the page asks.
    await hosts.begin(victim.page)
    await victim.page.locator('form[action$="/consent"] button').click()
    await victim.page.waitForURL(`${hosts.app}/**`)
    await victim.context.clearCookies()

    const uid = await hosts.begin(attacker.page)
    const cookies = [...(await cookiesOf(attacker.context, 'latchkey.interaction')), ...forgedBindings(uid)]
    const shown = await hosts.plant(victim.page, cookies, `${hosts.issuer}/interaction/${uid}`)
    if (shown?.status() === 200) await victim.page.waitForURL(`${hosts.issuer}/authorize/**`)
    await attacker.page.goto(`${hosts.issuer}/authorize/${uid}`)
    expect({
      status: shown?.status(),
      attackerHasCode: attacker.page.url().startsWith(hosts.app),
      attackerIsSignedIn: (await namesOf(attacker.context)).includes('__Host-latchkey.session'),
    }).toEqual({ status: 400, attackerHasCode: false, attackerIsSignedIn: false })
  })

  test.each([
    ['login', { email: 'alice@example.com', password: testPassword }],
    ['passkey', { response: '{}' }],
  ])(
    'with planted cookies a form of the user in an interaction of the attacker starts no session (%s)',
    async (step, fields) => {
      const attacker = await hosts.openBrowser()
      const victim = await hosts.openBrowser()
      const uid = await hosts.begin(attacker.page)
      const cookies = [...(await cookiesOf(attacker.context, 'latchkey.interaction')), ...forgedBindings(uid)]
      // The victim's own sign-in provides a form and its token.
      await hosts.plant(victim.page, cookies, await hosts.authorizeUrl())
      const { status, body } = await sendTo(victim.page, `/interaction/${uid}/${step}`, fields)
      await attacker.page.goto(`${hosts.issuer}/authorize/${uid}`)
      expect({
        status,
        isExpired: body.includes('interaction_expired'),
        attackerHasCode: attacker.page.url().startsWith(hosts.app),
      }).toEqual({ status: 400, isExpired: true, attackerHasCode: false })
    },
  )

  test("with planted cookies a user does not get the session of an attacker's sign-in by its resume", async () => {
    const attacker = await hosts.openBrowser()
    const victim = await hosts.openBrowser()
    const uid = await hosts.begin(attacker.page)
    // The attacker answers with another account, and stops before the resume.
    const resume = `${hosts.issuer}/authorize/${uid}`
    await attacker.context.route(resume, (route) => route.abort())
    const stopped = attacker.page.waitForEvent('requestfailed', (request) => request.url() === resume)
    await hosts.signIn(attacker.page, 'mallory@example.com')
    await stopped
    const cookies = [...(await cookiesOf(attacker.context, 'latchkey.resume')), ...forgedBindings(uid)]
    const shown = await hosts.plant(victim.page, cookies, resume)
    const page = await victim.page.content()
    expect({
      status: shown?.status(),
      isExpired: page.includes('interaction_expired'),
      names: (await namesOf(victim.context)).filter((name) => name.startsWith('__Host-')),
    }).toEqual({ status: 400, isExpired: true, names: [] })
    expect(victim.page.url()).toBe(resume)
    // Nothing was used up: the sign-in continues in the browser that began it.
    await attacker.context.unroute(resume)
    await attacker.page.goto(resume)
    expect(attacker.page.url()).toContain(`${hosts.app}/callback?code=`)
  })

  test.each(['one after the other', 'at once'])(
    'eight tabs that a browser without cookies opens concurrently all finish, resumed %s',
    async (how) => {
      const { context, page } = await hosts.openBrowser()
      const tabs = [page, ...(await Promise.all(Array.from({ length: 7 }, () => context.newPage())))]
      // Chromium opens six connections to a host: five wait, and the others use the sixth.
      hosts.gather(5)
      await Promise.all(tabs.map((tab) => hosts.begin(tab)))
      const finish = async (tab: Page) => {
        await hosts.signIn(tab)
        await tab.waitForURL(`${hosts.app}/callback?code=*`)
      }
      if (how === 'at once') await Promise.all(tabs.map(finish))
      else for (const tab of tabs) await finish(tab)
      const left = (await namesOf(context)).filter((name) => name.includes('latchkey.i.'))
      expect(left).toEqual([])
    },
  )
})
