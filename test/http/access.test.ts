/** Requests all routes of a server as each kind of caller: each enforces its declared access. */

import { readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import type { Route } from '../../src/http/route.ts'
import { page } from '../../src/http/route.ts'
import { byAccount } from '../audit/origins.ts'
import { createAuthenticator } from '../mfa/authenticator.ts'
import { addPhone, goodPassword, operator } from '../mfa/setup.ts'
import { routeRowOf, routeRowsIn } from '../structure/route-rows.ts'
import type { Browser, Page } from '../support/browser.ts'
import { createBrowser } from '../support/browser.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey } from '../support/latchkey.ts'
import type { Caller, Row } from './access-expectations.ts'
import { callers, expectations } from './access-expectations.ts'

const tenMinutes = 10 * 60_000
const emailOf = (name: string) => `${name}@people.example`

let server: Latchkey
let routes: readonly Route[]
let rows: Readonly<Record<string, Row>>
let ownerId: string
const browsers = new Map<Caller, Browser>()
const accountIds = new Map<Caller, string>()
/** The rate limits that counted an identifier: policy, identifier, path. */
let counted: (readonly [string, string, string])[] = []

const at = (path: string) => new URL(path, server.issuer).href

async function signUp(name: string) {
  const email = emailOf(name)
  const id = await server.parts.accounts.create({ email, isEmailVerified: true, password: goodPassword }, operator)
  const rp = createRelyingParty(server)
  await rp.signIn({}, { email, password: goodPassword })
  return { id, email, browser: rp.browser }
}

async function addCaller(caller: Caller) {
  const { id, browser, email } = await signUp(caller)
  browsers.set(caller, browser)
  accountIds.set(caller, id)
  return email
}

async function addOwner() {
  const { id, email } = await signUp('owner')
  const { factors, passkeys, revocation } = server.parts
  const device = createAuthenticator({ origin: server.issuer, rpId: 'localhost' })
  const response = device.create(JSON.parse(JSON.stringify(await passkeys.creationOptions({ id, email }, 'session'))))
  await factors.add({ accountId: id, generation: 0, by: byAccount(id) }, 'passkey', 'session', {
    response,
    name: 'Phone',
  })
  const [passkey] = await passkeys.list(id)
  const { sessions } = await revocation.listAccess(id)
  return { id, email, passkey: passkey!.id, sessionHandle: sessions[0]!.handle, clientId: 'web' }
}

beforeAll(async () => {
  // In development mode, which includes the development routes.
  server = await startLatchkey({ env: { NODE_ENV: 'development' } })
  routes = server.parts.routes
  browsers.set('none', createBrowser())
  await addCaller('old')
  server.clock.advance(tenMinutes)
  await addPhone(server, await addCaller('unproven'))
  await addCaller('other')
  const { id, ...owned } = await addOwner()
  ownerId = id
  const page = await createBrowser().get(at('/register'))
  rows = expectations(owned, /href="(\/assets\/[^"]+)"/.exec(page.body)![1]!)
  const { rateLimiter } = server.parts
  const { countIdentifier } = rateLimiter
  rateLimiter.countIdentifier = (ctx, policy, identifier, ownLimit) => {
    counted.push([policy, identifier, (ctx as unknown as { path: string }).path])
    return countIdentifier(ctx, policy, identifier, ownLimit)
  }
})
afterAll(() => server?.stop())

const isForm = ({ method }: Route) => method !== 'GET'
const codeOf = ({ body }: Page) => /<code>([a-z_]+)<\/code>/.exec(body)?.[1]

/** The login request that a browser is redirected to. */
function loginOf({ next }: Page) {
  const { pathname, searchParams } = new URL(next!)
  const claims = searchParams.get('claims')
  return {
    login: pathname === '/authorize' && searchParams.get('client_id'),
    returnTo: searchParams.get('state'),
    maxAge: searchParams.get('max_age'),
    needsFactor: claims !== null && JSON.parse(claims).id_token.acr.essential === true,
  }
}

/** Why the row's access refuses the caller; undefined when it allows the caller. */
function refusalOf({ access }: Row, caller: Caller): { isRecent: boolean; needsFactor: boolean } | undefined {
  if (typeof access === 'string' || 'public' in access) return undefined
  if (!('session' in access)) throw new Error('the walk has no caller for this kind of access yet')
  const isRecent = access.session !== 'any'
  if (caller === 'none') return { isRecent: false, needsFactor: false }
  if (caller === 'old' && isRecent) return { isRecent, needsFactor: false }
  if (caller === 'unproven' && access.session === 'recent+factor') return { isRecent, needsFactor: true }
  return undefined
}

function expectedOf(route: Route, row: Row, caller: Caller): object {
  const refusal = refusalOf(row, caller)
  if (refusal && isForm(route)) return { status: 403, code: 'login_too_old' }
  if (refusal) {
    const { isRecent, needsFactor } = refusal
    const login = { login: 'latchkey:account', returnTo: route.path, maxAge: isRecent ? '300' : null, needsFactor }
    return { status: 303, ...login }
  }
  const [status, code] = Array.isArray(row.answer)
    ? row.answer
    : (row.answer as Record<Caller, [number, string?]>)[caller]
  return code === undefined ? { status } : { status, code }
}

async function walkAs(caller: Caller) {
  const browser = browsers.get(caller)!
  const csrf = /name="csrf" value="([^"]+)"/.exec((await browser.get(at('/register'))).body)![1]!
  return (route: Route, row: Row): Promise<Page> => {
    const url = at(row.at ?? route.path)
    return isForm(route) ? browser.post(url, { csrf, ...row.fields }) : browser.get(url)
  }
}

async function walk(caller: Caller) {
  const ask = await walkAs(caller)
  const pages = new Map<string, Page>()
  const found: Record<string, object> = {}
  const expected: Record<string, object> = {}
  for (const route of routes) {
    const row = rows[route.name]!
    const page = await ask(route, row)
    const isLogin = page.next !== undefined && new URL(page.next).pathname === '/authorize'
    expected[route.name] = expectedOf(route, row, caller)
    const code = 'code' in expected[route.name]! ? { code: codeOf(page) } : {}
    found[route.name] = { status: page.status, ...(isLogin ? loginOf(page) : code) }
    pages.set(route.name, page)
  }
  return { pages, found, expected }
}

/** The account's state and its audit trail. */
async function stateOf(accountId: string) {
  const { accounts, factors, passkeys, revocation } = server.parts
  const { knex } = server.database
  return {
    account: await accounts.readById(accountId),
    access: await revocation.listAccess(accountId),
    factors: await factors.show(accountId),
    passkeys: await passkeys.list(accountId),
    consents: await knex('consent').where({ account_id: accountId }),
    trail: await knex('audit_event').where({ subject_id: accountId }).orderBy('sequence').select('action'),
  }
}

/** Names of routes without a row, of rows without a route, and of those with different access. */
function unequal(all: readonly Route[], known: typeof rows): string[] {
  const said = new Map(all.map(({ name, access }) => [name, access]))
  const names = new Set([...said.keys(), ...Object.keys(known)])
  return [...names].filter((name) => !isDeepStrictEqual(said.get(name), known[name]?.access))
}

test('every route has a row with the same access, and every row has a route', () => {
  expect(unequal(routes, rows)).toEqual([])
  const planted = page({ name: 'planted', path: '/planted', access: 'public', handler: () => {} })
  expect(unequal([...routes, planted], rows)).toEqual(['planted'])
  expect(unequal(routes, { ...rows, planted: { access: 'public', answer: [200] } })).toEqual(['planted'])
  const loosened = { ...routes.find(({ name }) => name === 'account.data')!, access: { session: 'any' } as const }
  expect(unequal([...routes.filter(({ name }) => name !== 'account.data'), loosened], rows)).toEqual(['account.data'])
  const incomplete = routes.filter(({ name, path }) => (rows[name]!.at ?? path).includes(':'))
  expect(incomplete.map(({ name }) => name)).toEqual([])
})

test.each(callers.filter((caller) => caller !== 'other'))(
  '%s: each route does what its access says',
  async (caller) => {
    const { found, expected } = await walk(caller)
    expect(found).toEqual(expected)
  },
)

test('other: each route accepts a recent session, shows only its own account, and does not change another account', async () => {
  const before = await stateOf(ownerId)
  const { found, expected, pages } = await walk('other')
  expect(found).toEqual(expected)
  expect(await stateOf(ownerId)).toEqual(before)
  const ofAccounts = [...pages].filter(([name]) => name.startsWith('account.'))
  expect(ofAccounts.length).toBeGreaterThan(25)
  for (const [name, page] of ofAccounts) {
    expect([name, page.body.includes(emailOf('owner'))]).toEqual([name, false])
  }
  for (const name of ['account.overview', 'account.download', 'account.data', 'account.password']) {
    expect([name, pages.get(name)!.body.includes(emailOf('other'))]).toEqual([name, true])
  }
})

test.each(['old', 'other'] as const)(
  'every form in a session counts for the limit of its account: %s',
  async (caller) => {
    counted = []
    await walk(caller)
    const forms = routes.filter(
      (route) => isForm(route) && typeof route.access === 'object' && 'session' in route.access,
    )
    const ownId = accountIds.get(caller)!
    const own = counted.filter(([policy, identifier]) => policy === 'account' && identifier === ownId)
    expect(own.map(([, , path]) => path).sort()).toEqual(forms.map(({ path }) => path).sort())
  },
)

test('HEAD requires the same session as GET', async () => {
  const pages = routes.filter(
    (route) => !isForm(route) && typeof route.access === 'object' && 'session' in route.access,
  )
  expect(pages.length).toBeGreaterThan(10)
  for (const { path } of pages) {
    const { status } = await createBrowser().request(at(path), { method: 'HEAD' })
    expect([path, status]).toEqual([path, 303])
  }
})

test('docs/reference/routes.md has every route with its method, access and limit, in order, and no other', () => {
  const [part = ''] = readFileSync('docs/reference/routes.md', 'utf8').split('## Protocol endpoints')
  const expected = routes.map(routeRowOf)
  expect(routeRowsIn(part)).toEqual(expected.sort(([a, b], [c, d]) => (`${a} ${b}` < `${c} ${d}` ? -1 : 1)))
})
