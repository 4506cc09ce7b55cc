/**
 * A client gets nothing that an administrator withdrew: each response follows the current settings
 * (RFC 6749 §6, CVE-2025-12110).
 */
import type { Latchkey } from '../support/latchkey.ts'
import { api, callback, createRelyingParty, startLatchkey, webSecret } from '../support/latchkey.ts'
import { answerIn, claimsIn } from './support.ts'

let server: Latchkey
const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const
const everything = 'openid profile email roles offline_access api:read'
let count = 0

beforeAll(async () => {
  server = await startLatchkey()
})
afterAll(() => server.stop())

/** A new client, with the user at its browser, and a function that registers it again. */
async function party(scope = everything) {
  count += 1
  const clientId = `party-${count}`
  const input = (more: Record<string, unknown> = {}) => ({
    clientId,
    kind: 'web' as const,
    metadata: { client_name: 'Party', redirect_uris: [callback], scope, ...more },
  })
  await server.addClient({ ...input(), secret: webSecret })
  const rp = createRelyingParty(server)
  const headers = { Authorization: rp.basic(clientId, webSecret) }
  const token = (fields: Record<string, string>) => rp.token(fields, headers)
  const exchange = (code: string, more: Record<string, string> = {}) =>
    token({ grant_type: 'authorization_code', code, redirect_uri: callback, code_verifier: rp.verifier, ...more })
  const authorize = (parameters: Record<string, string> = {}) =>
    rp.authorize({ client_id: clientId, scope, ...parameters })
  return {
    ...rp,
    clientId,
    authorizeUrl: (parameters: Record<string, string> = {}) =>
      rp.authorizeUrl({ client_id: clientId, scope, ...parameters }),
    authorize,
    exchange,
    signIn: async (parameters?: Record<string, string>) => (await exchange((await authorize(parameters)).code!)).body,
    refresh: (refreshToken: string, more: Record<string, string> = {}) =>
      token({ grant_type: 'refresh_token', refresh_token: refreshToken, ...more }),
    introspect: (value: string) => rp.call('/introspect', { token: value }, headers),
    become: (more: Record<string, unknown>) => server.parts.clients.replace(input(more), operator),
    logOut: async () => {
      const page = await rp.browser.get(`${server.issuer}/logout`)
      await rp.browser.submit(page, '/confirm', { logout: 'yes' })
    },
  }
}

const personal = (body: Record<string, unknown>) =>
  Object.keys(body).filter((name) => ['email', 'email_verified', 'name', 'roles'].includes(name))

describe('a client whose scope is narrowed to openid', () => {
  test('gets only sub and scope openid for its old access token, at userinfo and at introspection', async () => {
    const { signIn, userinfo, introspect, become } = await party()
    const tokens = await signIn()
    expect(personal((await userinfo(tokens.access_token)).body)).toHaveLength(4)
    await become({ scope: 'openid' })
    const { status, body } = await userinfo(tokens.access_token)
    expect([status, Object.keys(body)]).toEqual([200, ['sub']])
    expect((await introspect(tokens.access_token)).body).toMatchObject({ active: true, scope: 'openid' })
  })

  test('has no API scope at introspection of an earlier token', async () => {
    const { signIn, refresh, introspect, become } = await party()
    const { refresh_token: refreshToken } = await signIn({ resource: api })
    const { access_token: token } = (await refresh(refreshToken, { resource: api })).body
    expect((await introspect(token)).body).toMatchObject({ active: true, scope: 'api:read' })
    await become({ scope: 'openid' })
    const { active, scope } = (await introspect(token)).body
    expect([active, scope]).toEqual([true, undefined])
  })

  test('gets only openid from a refresh: scope, access token and ID token', async () => {
    const { signIn, refresh, userinfo, become } = await party()
    let tokens = await signIn()
    await become({ scope: 'openid' })
    for (const _turn of [1, 2]) {
      tokens = (await refresh(tokens.refresh_token)).body
      expect(tokens.scope).toBe('openid')
      expect(personal(claimsIn(tokens.id_token))).toEqual([])
      expect(Object.keys((await userinfo(tokens.access_token)).body)).toEqual(['sub'])
    }
    expect(await refresh(tokens.refresh_token, { scope: 'openid email' })).toMatchObject({
      body: { error: 'invalid_scope' },
    })
  })

  test('gets only openid from a repeated refresh token, also when the client has the scopes again', async () => {
    const { signIn, refresh, userinfo, become } = await party()
    const { refresh_token: first } = await signIn()
    await become({ scope: 'openid' })
    const { refresh_token: second } = (await refresh(first)).body
    await become({})
    for (const next of [undefined, second]) {
      if (next !== undefined) await refresh(next)
      const { status, body } = await refresh(first)
      expect([status, body.scope, personal(claimsIn(body.id_token))]).toEqual([200, 'openid', []])
      expect(Object.keys((await userinfo(body.access_token)).body)).toEqual(['sub'])
      expect(await refresh(first, { scope: 'openid email' })).toMatchObject({ body: { error: 'invalid_scope' } })
    }
  })

  test('gets all granted scopes from a repeat after a narrowed refresh (RFC 6749 §6)', async () => {
    const { signIn, refresh } = await party()
    const { refresh_token: first } = await signIn()
    const narrow = (await refresh(first, { scope: 'openid' })).body
    expect(narrow.scope).toBe('openid')
    const asGranted = (await refresh(first)).body
    expect(asGranted.refresh_token).toBe(narrow.refresh_token)
    expect(asGranted.scope.split(' ').sort()).toEqual(['email', 'offline_access', 'openid', 'profile', 'roles'])
  })

  test('gets no claim that it requested with the claims parameter', async () => {
    const { signIn, refresh, userinfo, become } = await party()
    const claims = JSON.stringify({ userinfo: { email: null }, id_token: { roles: null, name: { essential: true } } })
    const tokens = await signIn({ scope: 'openid', claims })
    expect(personal((await userinfo(tokens.access_token)).body)).toEqual(['email'])
    expect(personal(claimsIn(tokens.id_token)).sort()).toEqual(['name', 'roles'])
    await become({ scope: 'openid' })
    expect(personal((await userinfo(tokens.access_token)).body)).toEqual([])
    const turned = (await refresh(tokens.refresh_token)).body
    expect(personal(claimsIn(turned.id_token))).toEqual([])
    expect(personal(claimsIn((await signIn({ scope: 'openid', claims })).id_token))).toEqual([])
  })

  test('redeems an earlier code for the scope that is allowed now', async () => {
    const { authorize, exchange, userinfo, become } = await party()
    const { code } = await authorize()
    await become({ scope: 'openid' })
    const { body } = await exchange(code!)
    expect(body.scope).toBe('openid')
    expect(Object.keys((await userinfo(body.access_token)).body)).toEqual(['sub'])
  })

  test('gets invalid_scope when the user finishes an earlier request', async () => {
    const { browser, authorizeUrl, complete, become } = await party()
    const page = await browser.follow(await browser.get(await authorizeUrl()))
    await become({ scope: 'openid' })
    expect(await complete(page)).toMatchObject({ error: 'invalid_scope' })
  })
})

test('a client that loses openid gets 403 at userinfo, and no ID token', async () => {
  const { signIn, refresh, userinfo, become } = await party()
  const tokens = await signIn()
  await become({ scope: 'api:read offline_access' })
  expect((await userinfo(tokens.access_token)).status).toBe(403)
  const turned = await refresh(tokens.refresh_token, { resource: api })
  expect(turned.body).not.toHaveProperty('id_token')
})

describe('a family that loses offline_access', () => {
  test('is valid while its session is', async () => {
    const { signIn, refresh, logOut, become } = await party()
    const tokens = await signIn()
    await become({ scope: 'openid' })
    const turned = (await refresh(tokens.refresh_token)).body
    expect((await refresh(turned.refresh_token)).status).toBe(200)
    await logOut()
    expect(await refresh(turned.refresh_token)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
  })

  test('has ended if its session has, and does not become valid again with the scope', async () => {
    const { signIn, refresh, userinfo, logOut, become } = await party()
    const tokens = await signIn()
    await logOut()
    expect((await userinfo(tokens.access_token)).status).toBe(200)
    await become({ scope: 'openid email' })
    expect((await userinfo(tokens.access_token)).status).toBe(401)
    expect(await refresh(tokens.refresh_token)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
    await become({ scope: everything })
    expect((await userinfo(tokens.access_token)).status).toBe(401)
    expect((await refresh(tokens.refresh_token)).status).toBe(400)
  })

  test('stays valid after its session if it keeps offline_access', async () => {
    const { signIn, refresh, logOut, become } = await party()
    const tokens = await signIn()
    await logOut()
    await become({ scope: 'openid offline_access' })
    expect((await refresh(tokens.refresh_token)).body.scope).toBe('openid offline_access')
  })
})

describe('scopes that a client never had', () => {
  test('a client with only API scopes gets invalid_scope for openid', async () => {
    const { browser, authorizeUrl } = await party('api:read')
    const page = await browser.get(await authorizeUrl({ scope: 'openid email', prompt: 'none' }))
    expect(answerIn(page)).toMatchObject({ error: 'invalid_scope' })
  })

  test('offline_access is ignored (OpenID Connect Core 1.0 §11), and the family ends with the session', async () => {
    const { signIn, refresh, logOut } = await party('openid')
    const tokens = await signIn({ scope: 'openid offline_access' })
    expect(tokens.scope).toBe('openid')
    await logOut()
    expect((await refresh(tokens.refresh_token)).status).toBe(400)
  })
})

test('a client that loses the refresh grant gets unauthorized_client at a refresh', async () => {
  const { signIn, refresh, become } = await party()
  const { refresh_token: token } = await signIn()
  await become({ grant_types: ['authorization_code'] })
  expect(await refresh(token)).toMatchObject({ status: 400, body: { error: 'unauthorized_client' } })
})

describe('an API that a client may no longer call', () => {
  const identifier = 'https://withdrawn.example'
  const scope = 'openid offline_access withdrawn:read'
  const put = (more: { allowedClientIds?: string[] } = {}) =>
    server.parts.resourceServers.put(
      { identifier, name: 'Withdrawn', scopes: [{ name: 'withdrawn:read' }], ...more },
      operator,
    )

  test.each<[string, () => Promise<unknown>]>([
    ['because it lets in other clients only', () => put({ allowedClientIds: ['web'] })],
    ['because it was removed', () => server.parts.resourceServers.remove(identifier, operator)],
  ])('%s gives it no token: by refresh, by an earlier code, or by a new request', async (_case, withdraw) => {
    await put()
    const { signIn, refresh, authorize, exchange, browser, authorizeUrl } = await party(scope)
    const { refresh_token: token } = await signIn({ resource: identifier })
    expect(await refresh(token, { resource: identifier })).toMatchObject({
      status: 200,
      body: { scope: 'withdrawn:read' },
    })
    const { code } = await authorize({ resource: identifier })
    await withdraw()
    const refused = { status: 400, body: { error: 'invalid_target' } }
    expect(await refresh(token, { resource: identifier })).toMatchObject(refused)
    expect(await exchange(code!, { resource: identifier })).toMatchObject(refused)
    const asked = await browser.get(await authorizeUrl({ resource: identifier }))
    expect(answerIn(asked).error).toBe('invalid_target')
  })
})

describe('a redirect URI that was removed', () => {
  const moved = { redirect_uris: ['https://moved.example/callback'] }

  test('redeems no code', async () => {
    const { authorize, exchange, become } = await party()
    const { code } = await authorize()
    await become(moved)
    expect(await exchange(code!)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
    await become({})
    expect((await exchange(code!)).status).toBe(200)
  })

  test('gets no redirect, with a code or an error, from a request that began before', async () => {
    const { browser, authorizeUrl, become } = await party()
    const page = await browser.follow(await browser.get(await authorizeUrl()))
    await become(moved)
    const login = { email: 'alice@example.com', password: 'wonderland tea party' }
    const refused = await browser.submit(page, '/login', login)
    expect([refused.status, refused.next]).toEqual([400, undefined])
  })

  test('gets no redirect from a request that waits to be resumed', async () => {
    const { browser, authorizeUrl, signIn, become } = await party('openid')
    // No prompt is left, so the resume would give the code.
    await signIn()
    const page = await browser.follow(await browser.get(await authorizeUrl({ prompt: 'login' })))
    const login = { email: 'alice@example.com', password: 'wonderland tea party' }
    const answered = await browser.submit(page, '/login', login)
    await become(moved)
    const refused = await browser.follow(answered)
    expect([refused.status, refused.next]).toEqual([400, undefined])
  })
})

describe('a post-logout redirect URI that was removed while the confirmation page was open', () => {
  const home = 'https://party.example/'
  test.each([
    ['logs out', { logout: 'yes' }],
    ['stays', {}],
  ])('is not used when the user %s', async (_what, answer: Record<string, string>) => {
    const { browser, clientId, signIn, become } = await party()
    await become({ post_logout_redirect_uris: [home] })
    await signIn()
    const url = `${server.issuer}/logout?${new URLSearchParams({ client_id: clientId, post_logout_redirect_uri: home, state: 'bye' })}`
    const kept = await browser.submit(await browser.get(url), '/confirm', {})
    expect(kept.next).toBe(`${home}?state=bye`)
    const page = await browser.get(url)
    await become({ post_logout_redirect_uris: [] })
    const answered = await browser.submit(page, '/confirm', answer)
    expect(answered.status).toBe(200)
    expect(answered.next).toContain(`${server.issuer}/logout/success`)
  })
})
