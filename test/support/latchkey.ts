/** A whole server in the test's own process, on a database of its own, with the clock in the test's hand. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ClientInput } from '../../src/clients/client.ts'
import { readConfig } from '../../src/config/read.ts'
import { serverOptions } from '../../src/http/server.ts'
import { createLog } from '../../src/log.ts'
import type { Parts } from '../../src/parts.ts'
import { createParts } from '../../src/parts.ts'
import { systemRandom } from '../../src/random.ts'
import { startServer } from '../../src/server.ts'
import type { Browser, Page } from './browser.ts'
import { createBrowser } from './browser.ts'
import type { TestClock } from './clock.ts'
import { createTestClock } from './clock.ts'
import type { TestDatabase } from './database.ts'
import { createTestDatabase } from './database.ts'

export const testPassword = 'wonderland tea party'
export const webSecret = 'a secret of more than thirty-two characters'
export const callback = 'https://app.example/callback'
export const api = 'https://api.example/'

/** The least work that is allowed: fast enough where the hash is not the subject. */
const floorHash = { PASSWORD_HASH_MEMORY_KIB: '19456', PASSWORD_HASH_ITERATIONS: '2', PASSWORD_HASH_PARALLELISM: '1' }
const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const

export type Latchkey = Awaited<ReturnType<typeof startLatchkey>>

type Options = {
  env?: Record<string, string>
  /** A database to share with another server of the same test. */
  database?: TestDatabase
  clock?: TestClock
  /** True where limits are the subject; elsewhere they are far above what a test asks. */
  hasDefaultLimits?: boolean
  /** Lines of the log, when the test reads them. */
  onLog?: (line: string) => void
}

/** Starts a server with a person (alice@example.com), an API (`api`) and one client of each kind. */
export async function startLatchkey({
  env = {},
  database: shared,
  clock = createTestClock(),
  hasDefaultLimits = false,
  onLog,
}: Options = {}) {
  const owned = shared ?? (await createTestDatabase())
  const server = createServer(serverOptions)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = env.ISSUER ?? `http://localhost:${(server.address() as AddressInfo).port}`
  const base = `http://localhost:${(server.address() as AddressInfo).port}`
  const result = readConfig({
    NODE_ENV: 'test',
    MASTER_KEY: '1f'.repeat(16) + '2e'.repeat(16),
    DATABASE_URL: owned.url,
    LOG_LEVEL: onLog ? 'trace' : 'silent',
    ...floorHash,
    ...env,
    ISSUER: issuer,
  })
  if ('problems' in result) throw new Error(JSON.stringify(result.problems))
  const { config } = result
  if (!shared && !hasDefaultLimits) await raiseLimits(owned)
  const parts = await createParts({
    config,
    database: owned.database,
    queueUrl: owned.url,
    hashingSlots: 2,
    clock,
    random: systemRandom,
    log: createLog({ level: config.logLevel, ...(onLog && { destination: { write: onLog } }) }),
    refusedSecrets: [],
  })
  const running = await startServer(parts, server).catch(async (error) => {
    server.close()
    await parts.close()
    throw error
  })
  if (!shared) await populate(parts)

  return {
    issuer,
    /** Where it listens, when that is not the issuer. */
    base,
    parts,
    clock,
    database: owned.database,
    databaseUrl: owned.url,
    shared: owned,
    addClient: (input: ClientInput) => parts.clients.add(input, operator),
    stop: async () => {
      await running.stop()
      if (!shared) await owned.close()
    },
  }
}

/** Like the setting that an operator makes, but without a trace in the audit trail. */
async function raiseLimits({ database: { knex } }: TestDatabase): Promise<void> {
  await knex('setting').insert({ key: 'rateLimitPercent', value: '1000000', updated_at: 0 })
}

async function populate({ accounts, clients, resourceServers }: Parts): Promise<void> {
  await resourceServers.put(
    {
      identifier: api,
      name: 'Example API',
      scopes: [{ name: 'api:read', description: 'Read things' }, { name: 'api:write' }],
    },
    operator,
  )
  const scope = 'openid profile email phone address offline_access roles api:read'
  await clients.add(
    {
      clientId: 'web',
      kind: 'web',
      secret: webSecret,
      metadata: {
        client_name: 'Web App',
        redirect_uris: [callback],
        post_logout_redirect_uris: ['https://app.example/'],
        scope,
      },
    },
    operator,
  )
  await clients.add(
    {
      clientId: 'spa',
      kind: 'spa',
      metadata: { client_name: 'Page App', redirect_uris: ['https://spa.example/callback'], scope },
    },
    operator,
  )
  await clients.add(
    {
      clientId: 'native',
      kind: 'native',
      metadata: { client_name: 'Phone App', redirect_uris: ['com.example.app:/callback'], scope },
    },
    operator,
  )
  await clients.add(
    {
      clientId: 'machine',
      kind: 'machine',
      secret: webSecret,
      metadata: { client_name: 'Robot', scope: 'api:read api:write' },
    },
    operator,
  )
  await accounts.create(
    {
      email: 'alice@example.com',
      isEmailVerified: true,
      name: 'Alice Liddell',
      roles: ['editor'],
      password: testPassword,
    },
    operator,
  )
}

type Answer = Record<string, string>
type Person = { email?: string; password?: string; code?: () => string }

/** What one client does, spoken as plain HTTP, so that a test can speak it wrongly. */
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

  /** Answers the pages that come, until the browser would leave for the client. Gives that address' parameters. `code` is what an app shows. */
  async function complete(start: Page, person: Person = {}): Promise<Answer> {
    const { email = 'alice@example.com', password = testPassword, code } = person
    let page = await browser.follow(start)
    for (let steps = 0; steps < 6 && page.next === undefined; steps += 1) {
      // A form that comes back is not sent again: every try counts.
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

  /** The token endpoint as the confidential client `web`, or with `client_id` in the fields as a public one. */
  const token = (fields: Record<string, string>, headers?: Record<string, string>) =>
    call('/token', fields, headers ?? ('client_id' in fields ? {} : { Authorization: basic('web', webSecret) }))

  const exchange = (code: string, more: Record<string, string> = {}) =>
    token({ grant_type: 'authorization_code', code, redirect_uri: callback, code_verifier: verifier, ...more })

  const refresh = (refreshToken: string, more: Record<string, string> = {}) =>
    token({ grant_type: 'refresh_token', refresh_token: refreshToken, ...more })

  /** The whole way from the authorization request to the tokens. */
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
