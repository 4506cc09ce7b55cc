/**
 * Refresh tokens (RFC 6749 §6, OpenID Connect Core 1.0 §12): which clients get one, its lifetime,
 * and its revocation.
 */
import type { Latchkey } from '../support/latchkey.ts'
import { api, createRelyingParty, startLatchkey } from '../support/latchkey.ts'
import { days, hours, minutes, signedIn } from './support.ts'

let server: Latchkey

beforeAll(async () => {
  server = await startLatchkey()
})
afterAll(() => server.stop())

const invalidGrant = { status: 400, body: { error: 'invalid_grant' } }

/** Signs out through the confirmation page. */
async function logOut({ browser }: ReturnType<typeof createRelyingParty>): Promise<void> {
  const page = await browser.get(`${server.issuer}/logout`)
  await browser.submit(page, '/confirm', { logout: 'yes' })
}

test.each(['openid', 'openid offline_access'])(
  'scope=%j: a client with the grant gets a refresh token, and a new one at each refresh',
  async (scope) => {
    const { tokens, refresh } = await signedIn(server, { scope })
    expect(tokens.refresh_token).toEqual(expect.any(String))
    const turned = await refresh(tokens.refresh_token)
    expect(turned).toMatchObject({
      status: 200,
      body: { access_token: expect.any(String), id_token: expect.any(String) },
    })
    expect(turned.body.refresh_token).not.toBe(tokens.refresh_token)
  },
)

test('a client without the refresh_token grant gets no refresh token', async () => {
  const redirectUri = 'https://once.example/callback'
  const metadata = {
    client_name: 'Once',
    redirect_uris: [redirectUri],
    grant_types: ['authorization_code'],
    scope: 'openid',
  }
  await server.addClient({ clientId: 'once', kind: 'spa', metadata })
  const rp = createRelyingParty(server)
  const { code } = await rp.authorize({ client_id: 'once', redirect_uri: redirectUri })
  const { status, body } = await rp.exchange(code!, { client_id: 'once', redirect_uri: redirectUri })
  expect(status).toBe(200)
  expect(body).not.toHaveProperty('refresh_token')
})

test.each([
  ['idle', hours(1) + 1],
  ['absolute', hours(24) + 1],
])('the %s end of the browser session ends no family', async (_kind, ms) => {
  const online = await signedIn(server, { scope: 'openid' })
  server.clock.advance(ms)
  expect(await online.refresh(online.tokens.refresh_token)).toMatchObject({ status: 200 })
})

test('logout ends the tokens without offline_access, and no others', async () => {
  const rp = createRelyingParty(server)
  const online = await rp.signIn({ scope: 'openid' })
  const offline = await rp.signIn({ scope: 'openid offline_access' })
  await logOut(rp)
  expect(await rp.refresh(online.refresh_token)).toMatchObject(invalidGrant)
  expect(await rp.userinfo(online.access_token)).toMatchObject({ status: 401 })
  expect(await rp.refresh(offline.refresh_token)).toMatchObject({ status: 200 })
  expect(await rp.userinfo(offline.access_token)).toMatchObject({ status: 200 })
})

test('offline access needs consent once: the remembered consent is enough, without prompt=consent (OpenID Connect Core 1.0 §11)', async () => {
  const rp = createRelyingParty(server)
  await rp.signIn({ scope: 'openid offline_access' })
  const silent = await rp.authorize({ scope: 'openid offline_access', prompt: 'none' })
  expect((await rp.exchange(silent.code!)).body.scope).toBe('openid offline_access')
})

test('prompt=none without such a consent gives a code without offline_access', async () => {
  const redirectUri = 'https://spa.example/callback'
  const rp = createRelyingParty(server)
  const spa = { client_id: 'spa', redirect_uri: redirectUri }
  await rp.authorize({ ...spa, scope: 'openid' })
  const { code } = await rp.authorize({ ...spa, scope: 'openid offline_access', prompt: 'none' })
  expect((await rp.exchange(code!, spa)).body.scope).toBe('openid')
})

test('a family expires after 14 days without a refresh, and after 90 days at the latest', async () => {
  const idle = await signedIn(server, { scope: 'openid offline_access' })
  const used = await signedIn(server, { scope: 'openid offline_access' })
  let living: string = used.tokens.refresh_token
  for (let elapsed = 0; elapsed < 84; elapsed += 12) {
    server.clock.advance(days(12))
    const { status, body } = await used.refresh(living)
    expect([elapsed, status]).toEqual([elapsed, 200])
    living = body.refresh_token
  }
  expect(await idle.refresh(idle.tokens.refresh_token)).toMatchObject(invalidGrant)
  server.clock.advance(days(6) + minutes(1))
  expect(await used.refresh(living)).toMatchObject(invalidGrant)
})

test('scope may be narrowed for one refresh, never widened (RFC 6749 §6)', async () => {
  const { tokens, refresh, userinfo } = await signedIn(server, { scope: 'openid email' })
  const narrow = await refresh(tokens.refresh_token, { scope: 'openid' })
  expect(narrow).toMatchObject({ status: 200, body: { scope: 'openid' } })
  expect((await userinfo(narrow.body.access_token)).body).not.toHaveProperty('email')
  const wide = await refresh(narrow.body.refresh_token, { scope: 'openid email profile' })
  expect(wide).toMatchObject({ status: 400, body: { error: 'invalid_scope' } })
  const foreign = await refresh(narrow.body.refresh_token, { resource: api })
  expect(foreign).toMatchObject({ status: 400, body: { error: 'invalid_target' } })
  expect(await refresh(narrow.body.refresh_token)).toMatchObject({ status: 200, body: { scope: 'openid email' } })
})

test('a repeat within 30 seconds gives the same refresh token; a later one ends the family and is in the audit trail', async () => {
  const { tokens, refresh } = await signedIn(server, { scope: 'openid offline_access' })
  const first = await refresh(tokens.refresh_token)
  server.clock.advance(29_000)
  const repeat = await refresh(tokens.refresh_token)
  expect(repeat.body.refresh_token).toBe(first.body.refresh_token)
  expect(repeat.body.access_token).not.toBe(first.body.access_token)
  server.clock.advance(2_000)
  expect(await refresh(tokens.refresh_token)).toMatchObject(invalidGrant)
  expect(await refresh(first.body.refresh_token)).toMatchObject(invalidGrant)
  const rows = await server.database.knex('audit_event').where({ action: 'refresh_token.family_ended' }).select()
  expect(rows.length).toBeGreaterThan(0)
  expect(JSON.stringify(rows)).not.toContain(tokens.refresh_token)
})
