/** A client's own refresh window, rotation and lifetimes (RFC 9700 §4.14.2, OWASP ASVS 10.4.8). */
import type { ClientInput } from '../../src/clients/client.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { callback, createRelyingParty, startLatchkey, webSecret } from '../support/latchkey.ts'
import { days, hours } from './support.ts'

let server: Latchkey
let clients = 0

beforeAll(async () => {
  server = await startLatchkey()
})
afterAll(() => server.stop())

const invalidGrant = { status: 400, body: { error: 'invalid_grant' } }

/** A new client with these settings, with alice signed in at its browser. */
async function signedInAt(settings: Partial<ClientInput>) {
  clients += 1
  const kind = settings.kind ?? 'web'
  const clientId = `${kind}-${clients}`
  await server.addClient({
    clientId,
    kind,
    metadata: { client_name: 'App', redirect_uris: [callback], scope: 'openid' },
    ...(kind === 'web' && { secret: webSecret }),
    ...settings,
  })
  const rp = createRelyingParty(server)
  const { code } = await rp.authorize({ client_id: clientId })
  const asClient = { client_id: clientId, ...(kind === 'web' && { client_secret: webSecret }) }
  const { body: tokens } = await rp.exchange(code!, asClient)
  return { clientId, tokens, refresh: (token: string) => rp.refresh(token, asClient), userinfo: rp.userinfo }
}

test.each([0, 5, 300])('a client has its own repeat window: %d seconds', async (seconds) => {
  const { tokens, refresh } = await signedInAt({ refreshGraceSeconds: seconds })
  const first = await refresh(tokens.refresh_token)
  if (seconds > 0) {
    server.clock.advance(seconds * 1000 - 1)
    expect((await refresh(tokens.refresh_token)).body.refresh_token).toBe(first.body.refresh_token)
    server.clock.advance(1)
  }
  expect(await refresh(tokens.refresh_token)).toMatchObject(invalidGrant)
  expect(await refresh(first.body.refresh_token)).toMatchObject(invalidGrant)
})

test('without rotation a confidential client keeps its refresh token, which is valid while it is used, and at most 90 days', async () => {
  const { tokens, refresh, userinfo } = await signedInAt({ rotatesRefreshTokens: false })
  for (let elapsed = 12; elapsed < 90; elapsed += 13) {
    server.clock.advance(days(elapsed === 12 ? 12 : 13))
    const { status, body } = await refresh(tokens.refresh_token)
    expect([elapsed, status, body.refresh_token]).toEqual([elapsed, 200, tokens.refresh_token])
    expect(await userinfo(body.access_token)).toMatchObject({ status: 200 })
  }
  server.clock.advance(days(13) - 1000)
  expect(await refresh(tokens.refresh_token)).toMatchObject({ status: 200 })
  server.clock.advance(2000)
  expect(await refresh(tokens.refresh_token)).toMatchObject(invalidGrant)
})

test('without rotation an unused refresh token expires after 14 days', async () => {
  const { tokens, refresh } = await signedInAt({ rotatesRefreshTokens: false })
  server.clock.advance(days(14))
  expect(await refresh(tokens.refresh_token)).toMatchObject(invalidGrant)
})

test('50 refreshes at once with a token that does not rotate all succeed, and it stays valid', async () => {
  const { tokens, refresh } = await signedInAt({ rotatesRefreshTokens: false })
  server.clock.advance(hours(1))
  const answers = await Promise.all(Array.from({ length: 50 }, () => refresh(tokens.refresh_token)))
  expect(answers.map(({ status, body }) => [status, body.refresh_token])).toEqual(
    Array(50).fill([200, tokens.refresh_token]),
  )
})

test('a token that was spent before rotation was switched off is still a reuse after its window', async () => {
  const { tokens, refresh } = await signedInAt({})
  const turned = await refresh(tokens.refresh_token)
  await server.parts.clients.replace(
    {
      clientId: `web-${clients}`,
      kind: 'web',
      rotatesRefreshTokens: false,
      metadata: { client_name: 'App', redirect_uris: [callback], scope: 'openid' },
    },
    { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } },
  )
  expect((await refresh(tokens.refresh_token)).body.refresh_token).toBe(turned.body.refresh_token)
  server.clock.advance(31_000)
  expect(await refresh(tokens.refresh_token)).toMatchObject(invalidGrant)
  expect(await refresh(turned.body.refresh_token)).toMatchObject(invalidGrant)
})

test('a public client’s token rotates whatever its setting says (RFC 9700 §4.14.2)', async () => {
  const { tokens, refresh } = await signedInAt({ kind: 'spa', rotatesRefreshTokens: false })
  const turned = await refresh(tokens.refresh_token)
  expect(turned.body.refresh_token).not.toBe(tokens.refresh_token)
  server.clock.advance(31_000)
  expect(await refresh(tokens.refresh_token)).toMatchObject(invalidGrant)
})

test('a client has its own lifetimes, shorter or longer than the settings', async () => {
  const short = await signedInAt({ refreshIdleSeconds: 3600, refreshAbsoluteSeconds: 7200 })
  const long = await signedInAt({ refreshIdleSeconds: 100 * 86_400, refreshAbsoluteSeconds: 120 * 86_400 })
  server.clock.advance(hours(1) - 1000)
  const turned = await short.refresh(short.tokens.refresh_token)
  expect(turned.status).toBe(200)
  server.clock.advance(hours(1) - 1000)
  const last = await short.refresh(turned.body.refresh_token)
  expect(last.status).toBe(200)
  server.clock.advance(3000)
  expect(await short.refresh(last.body.refresh_token)).toMatchObject(invalidGrant)
  server.clock.advance(days(99))
  const later = await long.refresh(long.tokens.refresh_token)
  expect(later.status).toBe(200)
  server.clock.advance(days(21))
  expect(await long.refresh(later.body.refresh_token)).toMatchObject(invalidGrant)
})

test('theft ends this family only: the user’s other families continue', async () => {
  const stolen = await signedInAt({})
  const other = await signedInAt({})
  const turned = await stolen.refresh(stolen.tokens.refresh_token)
  server.clock.advance(31_000)
  expect(await stolen.refresh(stolen.tokens.refresh_token)).toMatchObject(invalidGrant)
  expect(await stolen.userinfo(turned.body.access_token)).toMatchObject({ status: 401 })
  expect(await other.userinfo(other.tokens.access_token)).toMatchObject({ status: 200 })
  expect(await other.refresh(other.tokens.refresh_token)).toMatchObject({ status: 200 })
})

test('operators can count repeats and thefts', async () => {
  const count = async (name: string): Promise<number> => {
    const line = (await server.parts.metrics.metrics()).split('\n').find((text) => text.startsWith(name))
    return Number(line?.split(' ').at(-1) ?? 0)
  }
  const names = ['latchkey_refresh_repeats_total', 'latchkey_token_families_ended_total{reason="refresh_token_reused"}']
  const before = await Promise.all(names.map(count))
  const { tokens, refresh } = await signedInAt({})
  await refresh(tokens.refresh_token)
  await refresh(tokens.refresh_token)
  server.clock.advance(31_000)
  await refresh(tokens.refresh_token)
  expect(await Promise.all(names.map(count))).toEqual(before.map((value) => value + 1))
})

test('a refresh token whose account was disabled is invalid, and stays so when the account is enabled again', async () => {
  const { tokens, refresh } = await signedInAt({})
  const [{ id }] = await server.database.knex('account').where({ email: 'alice@example.com' }).select('id')
  await server.parts.accounts.disable(id, { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } })
  expect(await refresh(tokens.refresh_token)).toMatchObject(invalidGrant)
  await server.parts.accounts.enable(id, { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } })
  expect(await refresh(tokens.refresh_token)).toMatchObject(invalidGrant)
})

test('a refresh token whose client was disabled is invalid, and stays so when the client is enabled again', async () => {
  const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const
  const { clientId, tokens, refresh, userinfo } = await signedInAt({})
  await server.parts.clients.disable(clientId, operator)
  expect((await refresh(tokens.refresh_token)).body.error).toBe('invalid_client')
  expect((await userinfo(tokens.access_token)).status).toBe(401)
  await server.parts.clients.enable(clientId, operator)
  expect(await refresh(tokens.refresh_token)).toMatchObject(invalidGrant)
})
