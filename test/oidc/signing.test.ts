/** A signer reads the key ring first, and checks it again before the signed result is written. */
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey } from '../support/latchkey.ts'
import { waitFor } from '../support/wait.ts'
import { signedIn, verify } from './support.ts'

let server: Latchkey
const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const
beforeEach(async () => {
  server = await startLatchkey()
})
afterEach(() => server.stop())

const kidOf = (jwt: string): string => JSON.parse(Buffer.from(jwt.split('.')[0]!, 'base64url').toString()).kid

test('a key that is revoked during a refresh: 503, no token is spent, and the repeat is signed with the next key', async () => {
  const { tokens, refresh } = await signedIn(server)
  const kid = kidOf(tokens.id_token)
  // The request stops in the middle, with an engine that uses the old keys.
  const { accounts, signingKeys, keyRing } = server.parts
  const { findById } = accounts
  const reached = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  accounts.findById = async (id) => {
    reached.resolve()
    await released.promise
    return findById(id)
  }
  const underWay = refresh(tokens.refresh_token)
  await reached.promise
  await signingKeys.revoke(kid, operator)
  await waitFor(() => !keyRing.current().signingKids.includes(kid))
  released.resolve()
  const refused = await underWay
  expect([refused.status, refused.body.error]).toEqual([503, 'temporarily_unavailable'])
  expect(Number(refused.headers.get('Retry-After'))).toBeGreaterThan(0)
  const again = await refresh(tokens.refresh_token)
  expect(again.status).toBe(200)
  expect(kidOf(again.body.id_token)).not.toBe(kid)
  await verify(server, again.body.id_token)
})

test('while the key ring cannot be read nothing is signed or spent, and /health/ready names the keys', async () => {
  const rp = await signedIn(server)
  const { code } = await rp.authorize()
  const { knex } = server.database
  await knex.schema.renameTable('signing_key', 'away')
  server.clock.advance(20_000)
  for (const answer of [await rp.exchange(code!), await rp.refresh(rp.tokens.refresh_token)]) {
    expect([answer.status, answer.body.error]).toEqual([503, 'temporarily_unavailable'])
    expect(Number(answer.headers.get('Retry-After'))).toBeGreaterThan(0)
  }
  const ready = await fetch(`${server.issuer}/health/ready`)
  expect([ready.status, await ready.json()]).toMatchObject([503, { checks: { database: true, keys: false } }])
  await knex.schema.renameTable('away', 'signing_key')
  expect((await rp.exchange(code!)).status).toBe(200)
  expect((await rp.refresh(rp.tokens.refresh_token)).status).toBe(200)
  expect((await fetch(`${server.issuer}/health/ready`)).status).toBe(200)
})

test('a key that retires during a request does not cause a refusal', async () => {
  const rp = createRelyingParty(server)
  const tokens = await rp.signIn()
  const { accounts, signingKeys, keyRing } = server.parts
  const { findById } = accounts
  const reached = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  accounts.findById = async (id) => {
    reached.resolve()
    await released.promise
    return findById(id)
  }
  const underWay = rp.refresh(tokens.refresh_token)
  await reached.promise
  const before = keyRing.current()
  await signingKeys.rotate({ isNow: true }, operator)
  await waitFor(() => keyRing.current() !== before)
  released.resolve()
  const { status, body } = await underWay
  expect(status).toBe(200)
  await verify(server, body.id_token)
})
