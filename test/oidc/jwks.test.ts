/** The JWKS as clients fetch and cache it: RFC 7517 §5, RFC 9110 §8.8.3, RFC 9111 §5.2. */
import type { Latchkey } from '../support/latchkey.ts'
import { startLatchkey } from '../support/latchkey.ts'
import { waitFor } from '../support/wait.ts'

let server: Latchkey
const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const

beforeAll(async () => {
  server = await startLatchkey({ env: { JWKS_CACHE_SECONDS: '3000', KEY_ANNOUNCE_HOURS: '1' } })
})
afterAll(() => server.stop())

const jwks = (headers: Record<string, string> = {}) => fetch(`${server.issuer}/jwks`, { headers })

test('the JWKS may be cached for the configured time, which is shorter than the announcement of a key', async () => {
  const response = await jwks()
  expect(response.status).toBe(200)
  expect(response.headers.get('Cache-Control')).toBe('public, max-age=3000')
  expect(response.headers.get('Content-Type')).toContain('application/jwk-set+json')
})

test('the JWKS has an ETag: a client that already has these keys gets 304 without them (RFC 9110 §13.1.2)', async () => {
  const first = await jwks()
  const etag = first.headers.get('ETag')!
  expect(etag).toMatch(/^"[\w-]{16}"$/)
  const again = await jwks({ 'If-None-Match': etag })
  expect([again.status, await again.text()]).toEqual([304, ''])
  expect(again.headers.get('ETag')).toBe(etag)
  expect(again.headers.get('Cache-Control')).toBe('public, max-age=3000')
  expect((await jwks({ 'If-None-Match': '"another"' })).status).toBe(200)
})

test('the JWKS has a new ETag as soon as a key is announced', async () => {
  const etag = (await jwks()).headers.get('ETag')!
  await server.parts.signingKeys.rotate({ wanted: ['ES256'], isNow: false }, operator)
  await waitFor(async () => (await jwks({ 'If-None-Match': etag })).status === 200)
  const { keys } = (await (await jwks()).json()) as { keys: { alg: string }[] }
  expect(keys.filter(({ alg }) => alg === 'ES256')).toHaveLength(2)
})

test('the JWKS contains no private key parameters', async () => {
  const { keys } = (await (await jwks()).json()) as { keys: object[] }
  for (const key of keys) {
    for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'oth']) expect(key).not.toHaveProperty(member)
  }
})

test('the JWKS is read from the database again after the clock has jumped, and is not refused', async () => {
  server.clock.advance(10 * 3_600_000)
  expect((await jwks()).status).toBe(200)
})

test('the JWKS is refused when a cached copy of it could lack a key that already signs', async () => {
  const { knex } = server.database
  await knex.schema.renameTable('signing_key', 'away')
  server.clock.advance(9 * 60_000)
  expect((await jwks()).status).toBe(200)
  // A copy may be cached for fifty minutes of the hour between a key's announcement and its first
  // use.
  server.clock.advance(2 * 60_000)
  const refused = await jwks()
  expect([refused.status, refused.headers.get('Retry-After'), refused.headers.get('Cache-Control')]).toEqual([
    503,
    '5',
    'no-store',
  ])
  expect(await refused.json()).toMatchObject({ error: 'temporarily_unavailable' })
  await knex.schema.renameTable('away', 'signing_key')
  expect((await jwks()).status).toBe(200)
})
