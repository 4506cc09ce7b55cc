/**
 * Two hosts of one domain over https, Latchkey's and the attacker's, and an app on another domain.
 */

import { request } from 'node:http'
import type { Server } from 'node:https'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Browser, BrowserContext, Page, Response } from 'playwright-core'
import { launchChromium } from '../pages/chromium.ts'
import { createCertificate } from '../support/certificate.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey, testPassword } from '../support/latchkey.ts'
import { getProgram } from '../support/programs.ts'

const hosts = { login: 'login.latchkey.example', evil: 'evil.latchkey.example', app: 'app.example' } as const

export type OtherSites = Awaited<ReturnType<typeof openOtherSites>>

/** The attacker's own cookies, as the browser returns them. */
export type Cookie = { name: string; value: string; path: string }

export async function openOtherSites() {
  /** The cookies that the attacker's page sets in a browser that opens it. */
  let planted: readonly string[] = []
  let base = ''
  let rateLimiter = { missing: 0, open: Promise.resolve(), release: () => {} }

  /**
   * Delays the next `count` requests for an interaction's page until all have arrived, as tabs that
   * open at the same moment.
   */
  function gather(count: number): void {
    const { promise, resolve } = Promise.withResolvers<void>()
    rateLimiter = { missing: count, open: promise, release: resolve }
  }

  async function passGate(url: string): Promise<void> {
    if (!url.startsWith('/interaction/')) return
    rateLimiter.missing -= 1
    if (rateLimiter.missing === 0) rateLimiter.release()
    await rateLimiter.open
  }

  const { key, cert, spkiDigest } = createCertificate(Object.values(hosts))
  const server: Server = createServer({ key, cert }, async (incoming, outgoing) => {
    const host = (incoming.headers.host ?? '').replace(/:\d+$/, '')
    if (host !== hosts.login) {
      const cookies = host === hosts.evil ? [...planted] : []
      outgoing.writeHead(200, { 'Content-Type': 'text/html', 'Set-Cookie': cookies })
      outgoing.end('<!doctype html><html lang="en"><title>Another host</title><link rel="icon" href="data:,"></html>')
      return
    }
    await passGate(incoming.url ?? '/')
    const headers = {
      ...incoming.headers,
      'x-forwarded-for': '203.0.113.9',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': incoming.headers.host ?? '',
    }
    const forwarded = request(`${base}${incoming.url}`, { method: incoming.method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
      answer.pipe(outgoing)
    })
    // The browser sees a broken connection.
    forwarded.on('error', () => outgoing.destroy())
    incoming.pipe(forwarded)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const issuer = `https://${hosts.login}:${port}`
  const app = `https://${hosts.app}:${port}`

  const latchkey: Latchkey = await startLatchkey({ env: { ISSUER: issuer, TRUST_PROXY: '127.0.0.1' } })
  base = latchkey.base
  await latchkey.addClient({
    clientId: 'shop',
    kind: 'spa',
    metadata: { client_name: 'Shop', redirect_uris: [`${app}/callback`], scope: 'openid profile' },
  })
  for (const email of ['mallory@example.com', 'pia@example.com']) {
    const account = { email, isEmailVerified: true, password: testPassword }
    await latchkey.parts.accounts.create(account, {
      actor: { type: 'operator', id: 'test' },
      origin: { command: 'test' },
    })
  }
  const chromium: Browser = await launchChromium(getProgram('chromium'), [
    '--host-resolver-rules=MAP * 127.0.0.1',
    // Trusts this key only: Chromium offers no passkeys on a page whose certificate errors are
    // ignored.
    `--ignore-certificate-errors-spki-list=${spkiDigest}`,
  ])

  const rp = createRelyingParty(latchkey)
  const authorizeUrl = (parameters: Record<string, string | undefined> = {}) =>
    rp.authorizeUrl({ client_id: 'shop', redirect_uri: `${app}/callback`, scope: 'openid profile', ...parameters })

  /** A separate browser with its first tab. */
  async function openBrowser(): Promise<{ context: BrowserContext; page: Page }> {
    const context = await chromium.newContext()
    context.setDefaultTimeout(8_000)
    return { context, page: await context.newPage() }
  }

  /** Begins an authorization in that tab. Returns the interaction's uid. */
  async function begin(page: Page): Promise<string> {
    await page.goto(await authorizeUrl())
    return new URL(page.url()).pathname.split('/')[2] ?? ''
  }

  /** Signs in on the page of the tab, if it asks for a password. */
  async function signIn(page: Page, email = 'alice@example.com'): Promise<void> {
    if ((await page.locator('#password').count()) === 0) return
    await page.locator('#email').fill(email)
    await page.locator('#password').fill(testPassword)
    await page.locator('form:has(#password) button[type=submit]').click()
  }

  /**
   * Lets the attacker's page set `cookies` for the whole domain in a browser that then opens `url`.
   */
  async function plant(page: Page, cookies: readonly string[], url: string): Promise<Response | null> {
    planted = cookies
    await page.goto(`https://${hosts.evil}:${port}/`)
    return page.goto(url)
  }

  /** A cookie of the attacker as planted: for the whole domain, at its own path. */
  const asPlanted = ({ name, value, path }: Cookie): string =>
    `${name}=${value}; Domain=latchkey.example; Path=${path}; Secure; HttpOnly`

  return {
    latchkey,
    issuer,
    app,
    openBrowser,
    authorizeUrl,
    begin,
    signIn,
    plant,
    asPlanted,
    gather,
    close: async () => {
      await chromium.close()
      server.closeAllConnections()
      server.close()
      await latchkey.stop()
    },
  }
}
