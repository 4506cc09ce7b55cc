/** A whole server in the test's own process, with its own database and a test clock. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ClientInput } from '../../src/clients/client.ts'
import { createParts } from '../../src/compose/parts.ts'
import { readConfig } from '../../src/config/read.ts'
import { serverOptions } from '../../src/http/server.ts'
import { createLog } from '../../src/log.ts'
import { startServer } from '../../src/server.ts'
import type { Browser, Page } from './browser.ts'
import { createBrowser } from './browser.ts'
import { releasedAtEnd } from './cleanup.ts'
import type { TestClock } from './clock.ts'
import { createTestClock } from './clock.ts'
import type { TestDatabase } from './database.ts'
import { createTestDatabase } from './database.ts'
import {
  callback,
  canBeCopied,
  createPopulatedDatabase,
  operator,
  populate,
  raiseLimits,
  testPassword,
  usualEnvironment,
  webSecret,
} from './populate.ts'
import { createRecordedRandom } from './random.ts'

export { api, callback, testPassword, webSecret } from './populate.ts'

export type Latchkey = Awaited<ReturnType<typeof startLatchkey>>

type Options = {
  env?: Record<string, string>
  /** A database to share with another server of the same test. */
  database?: TestDatabase
  clock?: TestClock
  /** True for tests of rate limits. Other tests get limits far above their needs. */
  hasDefaultLimits?: boolean
  /** Receives lines of the log. */
  onLog?: (line: string) => void
}

/** Starts a server with a user (alice@example.com), an API (`api`) and one client of each kind. */
export async function startLatchkey({
  env = {},
  database: shared,
  clock: ownClock,
  hasDefaultLimits = false,
  onLog,
}: Options = {}) {
  const clock = ownClock ?? createTestClock()
  // A test with its own clock needs keys and accounts of that time.
  const isCopied = !shared && !ownClock && canBeCopied(env)
  const owned = shared ?? (await (isCopied ? createPopulatedDatabase({ hasDefaultLimits }) : createTestDatabase()))
  const server = createServer(serverOptions)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = env.ISSUER ?? `http://localhost:${(server.address() as AddressInfo).port}`
  const base = `http://localhost:${(server.address() as AddressInfo).port}`
  const result = readConfig({
    ...usualEnvironment,
    DATABASE_URL: owned.url,
    ...(onLog && { LOG_LEVEL: 'trace' }),
    ...env,
    ISSUER: issuer,
  })
  if ('problems' in result) throw new Error(JSON.stringify(result.problems))
  const { config } = result
  const { random, drawn } = createRecordedRandom()
  if (!shared && !isCopied && !hasDefaultLimits) await raiseLimits(owned)
  const parts = await createParts({
    config,
    database: owned.database,
    queueUrl: owned.url,
    hashingSlots: 2,
    clock,
    random,
    log: createLog({ level: config.logLevel, ...(onLog && { destination: { write: onLog } }) }),
    refusedSecrets: [],
  })
  const running = await startServer(parts, server).catch(async (error) => {
    server.close()
    await parts.close()
    throw error
  })
  if (!shared && !isCopied) await populate(parts)

  return {
    issuer,
    /** The server's URL, when it differs from the issuer. */
    base,
    parts,
    clock,
    database: owned.database,
    databaseUrl: owned.url,
    /** The whole numbers that the server has drawn at random. */
    drawn,
    shared: owned,
    addClient: (input: ClientInput) => parts.clients.add(input, operator),
    stop: releasedAtEnd(async () => {
      await running.stop()
      if (!shared) await owned.close()
    }),
  }
}

type Answer = Record<string, string>
type Person = { email?: string; password?: string; code?: () => string }

/** A client as plain HTTP, so that a test can also send wrong requests. */
export function createRelyingParty(server: Pick<Latchkey, 'issuer'>, browser: Browser = createBrowser()) {
  const verifier = 'verifier-'.repeat(6)
  // SHA-256 of the verifier, RFC 7636 §4.2.
  const challenge = async () =>
    Buffer.from(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))).toString('base64url')

  async function authorizeUrl(parameters: Record<string, string | undefined> = {}): Promise<string> {
    const url = new URL(`${server.issuer}/authorize`)
    const all: Record<string, string | undefined> = {
      client_id: 'web',
      redirect_uri: callback,
      response_type: 'code',
      scope: 'openid',
      state: 'the-state',
      nonce: 'the-nonce',
      code_challenge: await challenge(),
      code_challenge_method: 'S256',
      ...parameters,
    }
    for (const [name, value] of Object.entries(all)) if (value !== undefined) url.searchParams.set(name, value)
    return url.href
  }

  /**
   * Completes each page until the browser is redirected to the client; returns that URL's
   * parameters. `code` is the app's code.
   */
  async function complete(start: Page, person: Person = {}): Promise<Answer> {
    const { email = 'alice@example.com', password = testPassword, code } = person
    let page = await browser.follow(start)
    for (let steps = 0; steps < 6 && page.next === undefined; steps += 1) {
      // A form that is shown again is not sent again: every attempt counts.
      if (page.status >= 400) break
      if (page.body.includes('name="password"')) page = await browser.submit(page, '/login', { email, password })
      else if (code && page.body.includes('/factor"')) page = await browser.submit(page, '/factor', { code: code() })
      else if (page.body.includes('/consent"')) page = await browser.submit(page, '/consent')
      else if (page.body.includes('/account"')) page = await browser.submit(page, '/account')
      else throw new Error(`no way on from ${page.status} ${page.url}:\n${page.body.slice(0, 2000)}`)
      page = await browser.follow(page)
    }
    if (page.next === undefined) throw new Error(`the flow did not end: ${page.status} ${page.url}`)
    return Object.fromEntries(new URL(page.next).searchParams)
  }

  async function authorize(parameters: Record<string, string | undefined> = {}, person?: Person): Promise<Answer> {
    return complete(await browser.get(await authorizeUrl(parameters)), person)
  }

  const basic = (clientId: string, secret: string) =>
    `Basic ${Buffer.from(`${clientId}:${encodeURIComponent(secret)}`).toString('base64')}`

  async function call(path: string, fields: Record<string, string>, headers: Record<string, string> = {}) {
    const response = await fetch(`${server.issuer}${path}`, {
      method: 'POST',
      body: new URLSearchParams(fields),
      headers,
    })
    const text = await response.text()
    // biome-ignore lint/suspicious/noExplicitAny: answers of every shape, right and wrong ones, are what tests look into
    const body: any = text.startsWith('{') ? JSON.parse(text) : text
    return { status: response.status, headers: response.headers, body }
  }

  /** The token endpoint, as client `web` or as a public client with `client_id` in the fields. */
  const token = (fields: Record<string, string>, headers?: Record<string, string>) =>
    call('/token', fields, headers ?? ('client_id' in fields ? {} : { Authorization: basic('web', webSecret) }))

  const exchange = (code: string, more: Record<string, string> = {}) =>
    token({ grant_type: 'authorization_code', code, redirect_uri: callback, code_verifier: verifier, ...more })

  const refresh = (refreshToken: string, more: Record<string, string> = {}) =>
    token({ grant_type: 'refresh_token', refresh_token: refreshToken, ...more })

  /** The whole flow from the authorization request to the tokens. */
  async function signIn(parameters: Record<string, string | undefined> = {}, person?: Person) {
    const { code } = await authorize(parameters, person)
    return (await exchange(code!)).body
  }

  const userinfo = async (accessToken: string) => {
    const response = await fetch(`${server.issuer}/userinfo`, { headers: { Authorization: `Bearer ${accessToken}` } })
    // biome-ignore lint/suspicious/noExplicitAny: as above
    return { status: response.status, headers: response.headers, body: (await response.json()) as any }
  }

  return {
    browser,
    verifier,
    authorizeUrl,
    complete,
    authorize,
    basic,
    call,
    token,
    exchange,
    refresh,
    signIn,
    userinfo,
  }
}
