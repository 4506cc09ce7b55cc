/**
 * The setup of the browser tests: a server, an app that shows what Latchkey sends, and windows that
 * record every error.
 */

import type { IncomingMessage, Server } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { launchChromium } from '../pages/chromium.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey, testPassword } from '../support/latchkey.ts'
import { getProgram } from '../support/programs.ts'

/** The name of the app, as pages show it. */
export const shopName = 'Shop'

export type Setup = Awaited<ReturnType<typeof openSetup>>

/**
 * A server on a free port whose page shows the request that it received. `/moved` redirects to
 * `elsewhere`.
 */
async function startApp(elsewhere?: () => string): Promise<{ url: string; server: Server }> {
  const read = async (request: IncomingMessage) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks).toString()
  }
  const server = createServer(async (request, response) => {
    const body = await read(request)
    const url = new URL(request.url ?? '/', 'http://app')
    if (url.pathname === '/moved' && elsewhere) {
      response.writeHead(302, { Location: `${elsewhere()}/arrived${url.search}` }).end()
      return
    }
    const got = {
      method: request.method,
      path: url.pathname,
      ...Object.fromEntries([...url.searchParams, ...new URLSearchParams(body)]),
    }
    response.writeHead(200, { 'Content-Type': 'text/html' })
    response.end(
      `<!doctype html><html lang="en"><title>App</title><link rel="icon" href="data:,"><pre id="got">${JSON.stringify(got)}</pre></html>`,
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://localhost:${(server.address() as AddressInfo).port}`, server }
}

export async function openSetup(env: Record<string, string> = {}) {
  const latchkey: Latchkey = await startLatchkey({ env })
  const other = await startApp()
  const app = await startApp(() => other.url)
  const chromium: Browser = await launchChromium(getProgram('chromium'))
  const scope = 'openid profile email offline_access api:read'
  const redirectUris = [`${app.url}/callback`, `${app.url}/moved`]
  await latchkey.addClient({
    clientId: 'shop',
    kind: 'spa',
    metadata: {
      client_name: shopName,
      redirect_uris: redirectUris,
      post_logout_redirect_uris: [`${app.url}/bye`],
      scope,
    },
  })
  await latchkey.addClient({
    clientId: 'phone',
    kind: 'native',
    metadata: {
      client_name: 'Phone',
      redirect_uris: ['http://127.0.0.1/callback', 'com.example.phone:/callback'],
      scope,
    },
  })

  /** A separate window, as in another user's browser, with every console error and page error. */
  async function openWindow(options: BrowserContextOptions = {}): Promise<{ page: Page; complaints: string[] }> {
    const context = await chromium.newContext(options)
    const page = await context.newPage()
    page.setDefaultTimeout(8_000)
    const complaints: string[] = []
    // Chromium reports an error status as an error of the page; these statuses are expected.
    page.on('console', (message) => {
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
        complaints.push(message.text())
    })
    page.on('pageerror', (error) => complaints.push(error.message))
    return { page, complaints }
  }

  const rp = createRelyingParty(latchkey)
  const authorizeUrl = (parameters: Record<string, string | undefined> = {}) =>
    rp.authorizeUrl({ client_id: 'shop', redirect_uri: `${app.url}/callback`, scope: 'openid profile', ...parameters })

  async function typeCredentials(
    page: Page,
    { email = 'alice@example.com', password = testPassword } = {},
  ): Promise<void> {
    await page.locator('#email').fill(email)
    await page.locator('#password').fill(password)
    await page.locator('form:has(#password) button[type=submit]').click()
  }

  const allow = (page: Page) => page.locator('form[action$="/consent"] button').click()

  /** The parameters that the app received. */
  const got = async (page: Page): Promise<Record<string, string>> =>
    JSON.parse((await page.locator('#got').textContent()) ?? '{}') as Record<string, string>

  return {
    latchkey,
    issuer: latchkey.issuer,
    app: app.url,
    other: other.url,
    rp,
    openWindow,
    authorizeUrl,
    typeCredentials,
    allow,
    got,
    close: async () => {
      await chromium.close()
      for (const { server } of [app, other]) {
        server.closeAllConnections()
        server.close()
      }
      await latchkey.stop()
    },
  }
}
