/**
 * Consent: asked once, remembered for each account and client, and asked again only for more scopes
 * (OpenID Connect Core 1.0 §3.1.2.4).
 */

import { createConsents } from '../../src/consents/service.ts'
import { testOrigin } from '../audit/origins.ts'
import type { Page } from '../support/browser.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { api, createRelyingParty, startLatchkey, testPassword, webSecret } from '../support/latchkey.ts'
import { waitFor } from '../support/wait.ts'
import { answerIn, claimsIn } from './support.ts'

let server: Latchkey
const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const

beforeAll(async () => {
  server = await startLatchkey()
  await server.parts.resourceServers.put(
    { identifier: 'https://other.example', name: 'Other API', scopes: [{ name: 'other:do' }] },
    operator,
  )
})
afterAll(() => server.stop())

type RelyingParty = ReturnType<typeof createRelyingParty>
let people = 0

/** A user without any consent, signed in at a new browser. */
async function newcomer() {
  people += 1
  const email = `newcomer-${people}@example.com`
  await server.parts.accounts.create({ email, isEmailVerified: true, roles: [], password: testPassword }, operator)
  return { email, ...createRelyingParty(server) }
}
type Newcomer = Awaited<ReturnType<typeof newcomer>>

const clientIds = { web: 'https://app.example/callback', spa: 'https://spa.example/callback' }

/** The first page after the login page. */
async function pageFor(person: Newcomer, parameters: Record<string, string>): Promise<Page> {
  const page = await person.browser.follow(await person.browser.get(await person.authorizeUrl(parameters)))
  if (!page.body.includes('name="password"')) return page
  const credentials = { email: person.email, password: testPassword }
  return person.browser.follow(await person.browser.submit(page, '/login', credentials))
}
const asksConsent = (page: Page): boolean => page.next === undefined && page.body.includes('/consent"')
const allow = async (person: RelyingParty, page: Page) =>
  answerIn(await person.browser.follow(await person.browser.submit(page, '/consent')))

/** The requests on the consent page, as one text. */
const asks = ({ body }: Page): string =>
  /<ul class="asks">([\s\S]*?)<p class="note">/
    .exec(body)![1]!
    .replaceAll(/<[^>]+>/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim()

describe('a consent is remembered', () => {
  test('across requests, logins, browsers and logout', async () => {
    const person = await newcomer()
    const page = await pageFor(person, { scope: 'openid email' })
    expect(asksConsent(page)).toBe(true)
    expect(await allow(person, page)).toHaveProperty('code')

    expect(asksConsent(await pageFor(person, { scope: 'openid email' }))).toBe(false)
    const confirm = await person.browser.get(`${server.issuer}/logout`)
    await person.browser.follow(await person.browser.submit(confirm, '/logout/confirm', { logout: 'yes' }))
    expect(answerIn(await pageFor(person, { scope: 'openid email' }))).toHaveProperty('code')
    const elsewhere = { ...person, ...createRelyingParty(server) }
    expect(answerIn(await pageFor(elsewhere, { scope: 'openid email' }))).toHaveProperty('code')
  })

  test('per client: another client needs its own consent', async () => {
    const person = await newcomer()
    await allow(person, await pageFor(person, {}))
    expect(asksConsent(await pageFor(person, { client_id: 'spa', redirect_uri: clientIds.spa }))).toBe(true)
  })

  test('per account: another account in the same browser needs its own consent', async () => {
    const person = await newcomer()
    await allow(person, await pageFor(person, {}))
    const second = { ...(await newcomer()), browser: person.browser }
    const login = await person.browser.follow(await person.browser.get(await person.authorizeUrl({ prompt: 'login' })))
    const page = await person.browser.submit(login, '/login', { email: second.email, password: testPassword })
    expect(asksConsent(await person.browser.follow(page))).toBe(true)
  })

  test('a refused consent is not remembered, and earlier tokens stay valid', async () => {
    const person = await newcomer()
    const { code } = await allow(person, await pageFor(person, {}))
    const tokens = (await person.exchange(code!)).body
    const page = await pageFor(person, { scope: 'openid phone' })
    const refused = answerIn(await person.browser.follow(await person.browser.submit(page, '/cancel')))
    expect(refused).toMatchObject({ error: 'access_denied', state: 'the-state', iss: server.issuer })
    expect(asksConsent(await pageFor(person, { scope: 'openid phone' }))).toBe(true)
    expect(asksConsent(await pageFor(person, {}))).toBe(false)
    expect((await person.userinfo(tokens.access_token)).status).toBe(200)
  })
})

describe('a remembered consent that is withdrawn', () => {
  const accountOf = async ({ email }: Newcomer): Promise<string> =>
    (await server.parts.accounts.findByEmail(email))?.id ?? ''
  const consentsOf = (accountId: string) => server.database.knex('consent').where({ account_id: accountId })

  test('is requested again within a second, also when its row was deleted directly', async () => {
    const person = await newcomer()
    await allow(person, await pageFor(person, {}))
    expect(asksConsent(await pageFor(person, {}))).toBe(false)
    expect(await consentsOf(await accountOf(person)).delete()).toBe(1)
    await waitFor(async () => asksConsent(await pageFor(person, {})), { timeoutMs: 1000, what: 'the question' })
  })

  test('is stored again when the user allows it while the cache still has the old consent', async () => {
    const { database, audit, clock } = server.parts
    const accountId = await accountOf(await newcomer())
    const allowed = { scopes: ['openid'], claims: [], resources: {} }
    const stale = new Map([['web', { ...allowed, grantedAt: 1, updatedAt: 1 }]])
    const cache = { get: async () => stale, forget: () => {}, clear: () => {} }
    const { knex: db, transaction } = database
    const consents = createConsents({ db, transaction, cache, audit, clock })
    await consents.grant({ accountId, clientId: 'web', origin: testOrigin }, allowed)
    expect(await consentsOf(accountId).pluck('client_id')).toEqual(['web'])
  })
})

describe('the consent page is shown again only for more', () => {
  test('more scopes, more claims, another API, another scope of it', async () => {
    await server.addClient({
      clientId: 'wide',
      kind: 'web',
      secret: webSecret,
      metadata: {
        client_name: 'Wide',
        redirect_uris: ['https://wide.example/cb'],
        scope: 'openid email phone offline_access api:read api:write other:do',
      },
    })
    const wide = { client_id: 'wide', redirect_uri: 'https://wide.example/cb' }
    const person = await newcomer()
    const steps: [Record<string, string>, boolean][] = [
      [{ scope: 'openid' }, true],
      [{ scope: 'openid' }, false],
      [{ scope: 'openid email' }, true],
      [{ scope: 'openid' }, false],
      [{ scope: 'openid email', claims: '{"id_token":{"name":null}}' }, true],
      [{ scope: 'openid', claims: '{"id_token":{"name":null},"userinfo":{"name":{"essential":true}}}' }, false],
      [{ scope: 'openid', claims: '{"userinfo":{"birthdate":null}}' }, true],
      [{ scope: 'openid api:read', resource: api }, true],
      [{ scope: 'openid api:read', resource: api }, false],
      [{ scope: 'openid api:read api:write', resource: api }, true],
      [{ scope: 'openid other:do', resource: 'https://other.example' }, true],
      [{ scope: 'openid email api:write', resource: api }, false],
      [{ scope: 'openid offline_access' }, true],
      [{ scope: 'openid offline_access email' }, false],
      [{ scope: 'openid', prompt: 'consent' }, true],
      [{ scope: 'openid phone' }, true],
      [{ scope: 'openid' }, false],
    ]
    for (const [parameters, isAsked] of steps) {
      const page = await pageFor(person, { ...wide, ...parameters })
      expect([parameters, asksConsent(page)]).toEqual([parameters, isAsked])
      expect(isAsked ? await allow(person, page) : answerIn(page)).toHaveProperty('code')
    }
  })

  test('the page shows what is requested: scopes, single claims, the API by its name, and the host that receives it', async () => {
    const person = await newcomer()
    const page = await pageFor(person, {
      scope: 'openid email api:read',
      resource: api,
      claims: '{"userinfo":{"phone_number":null,"auth_time":null},"id_token":{"acr":{"essential":true}}}',
    })
    expect(asks(page)).toContain('Example API')
    expect(asks(page)).toContain(api)
    expect(asks(page)).toContain('Read things')
    expect(asks(page)).not.toContain('api:write')
    const consent = server.parts.sentences.t
    expect(asks(page)).toContain(consent('pages.consent.scope.email'))
    expect(asks(page)).toContain(consent('pages.consent.claim.phone_number'))
    expect(asks(page)).not.toContain('acr')
    expect(page.body).toContain('<bdi class="host">app.example</bdi>')
    const { code } = await allow(person, page)
    const tokens = (await person.exchange(code!)).body
    expect(claimsIn(tokens.id_token)).not.toHaveProperty('phone_number')
  })
})

describe('first-party and native clients', () => {
  test('a first-party client shows no consent page, not even for offline access and an API', async () => {
    await server.addClient({
      clientId: 'ours',
      kind: 'web',
      isFirstParty: true,
      secret: webSecret,
      metadata: {
        client_name: 'Ours',
        redirect_uris: ['https://ours.example/cb'],
        scope: 'openid email offline_access api:read',
      },
    })
    const ours = { client_id: 'ours', redirect_uri: 'https://ours.example/cb', resource: api }
    const person = await newcomer()
    const claims = '{"id_token":{"name":null}}'
    const page = await pageFor(person, { ...ours, claims, scope: 'openid email offline_access api:read' })
    expect(answerIn(page)).toHaveProperty('code')
    expect(asksConsent(await pageFor(person, { ...ours, scope: 'openid', prompt: 'consent' }))).toBe(true)
  })

  test('a native client always shows the consent page, and cannot be a first party (RFC 8252 §8.6)', async () => {
    const native = { client_id: 'native', redirect_uri: 'com.example.app:/callback' }
    const person = await newcomer()
    for (let time = 0; time < 3; time += 1) {
      const page = await pageFor(person, native)
      expect(asksConsent(page)).toBe(true)
      expect(await allow(person, page)).toHaveProperty('code')
    }
    const metadata = { client_name: 'Native', redirect_uris: ['com.example.ours:/cb'] }
    await expect(server.addClient({ clientId: 'x', kind: 'native', isFirstParty: true, metadata })).rejects.toThrow(
      'client_invalid',
    )
  })
})

test('two authorizations are two grants: the revocation of one token family leaves the other valid', async () => {
  const person = await newcomer()
  const { code } = await allow(person, await pageFor(person, {}))
  const first = (await person.exchange(code!)).body
  const second = (await person.exchange(answerIn(await pageFor(person, {})).code!)).body
  await person.call('/revoke', { token: first.refresh_token }, { Authorization: person.basic('web', webSecret) })
  expect((await person.userinfo(first.access_token)).status).toBe(401)
  expect((await person.userinfo(second.access_token)).status).toBe(200)
})

test('a request that ends at a page stores no grant', async () => {
  const person = await newcomer()
  await allow(person, await pageFor(person, {}))
  const count = async () => {
    const { rows } = await server.database.pool.query('SELECT count(*)::int AS count FROM artifact WHERE model = 2')
    return rows[0].count as number
  }
  const before = await count()
  for (const prompt of ['consent', 'select_account']) await pageFor(person, { prompt })
  expect(await count()).toBe(before)
})
