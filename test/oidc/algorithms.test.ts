/**
 * Signature algorithms: each offered one has a key, clients may only choose offered ones, and
 * discovery lists them (OpenID Connect Discovery 1.0 §3).
 */
import { createLocalJWKSet, jwtVerify } from 'jose'
import { createTestDatabase } from '../support/database.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { callback, createRelyingParty, startLatchkey, webSecret } from '../support/latchkey.ts'

const everything = ['RS256', 'ES256', 'EdDSA', 'PS256', 'ES384', 'ES512']
const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const

const clientWith = (algorithm: string) => ({
  clientId: `signed-${algorithm}`,
  kind: 'web' as const,
  secret: webSecret,
  metadata: {
    client_name: algorithm,
    redirect_uris: [callback],
    scope: 'openid',
    id_token_signed_response_alg: algorithm,
  },
})
const apiWith = (algorithm: string) => ({
  identifier: `https://${algorithm.toLowerCase()}.example/`,
  name: algorithm,
  scopes: [{ name: `read:${algorithm}` }],
  signingAlgorithm: algorithm as never,
})
const offered = async (server: Latchkey): Promise<string[]> => {
  const response = await fetch(`${server.issuer}/.well-known/openid-configuration`)
  return ((await response.json()) as { id_token_signing_alg_values_supported: string[] })
    .id_token_signing_alg_values_supported
}

describe('all six configured', () => {
  let server: Latchkey
  beforeAll(async () => {
    server = await startLatchkey({ env: { SIGNING_ALGORITHMS: everything.join(',') } })
  })
  afterAll(() => server.stop())

  test('discovery lists all six algorithms', async () => {
    expect((await offered(server)).sort()).toEqual([...everything].sort())
  })

  test.each(everything)(
    '%s signs the ID token of the client, and the access token of the API, that has chosen it',
    async (algorithm) => {
      const { clientId } = clientWith(algorithm)
      await server.addClient(clientWith(algorithm))
      await server.parts.resourceServers.put(apiWith(algorithm), operator)
      await server.addClient({
        clientId: `machine-${algorithm}`,
        kind: 'machine',
        secret: webSecret,
        metadata: { client_name: 'Robot', scope: `read:${algorithm}` },
      })
      const rp = createRelyingParty(server)
      const { code } = await rp.authorize({ client_id: clientId })
      const fields = {
        grant_type: 'authorization_code',
        code: code!,
        redirect_uri: callback,
        code_verifier: rp.verifier,
      }
      const answer = await rp.token(fields, { Authorization: rp.basic(clientId, webSecret) })
      const machine = await rp.token(
        { grant_type: 'client_credentials', resource: apiWith(algorithm).identifier, scope: `read:${algorithm}` },
        { Authorization: rp.basic(`machine-${algorithm}`, webSecret) },
      )
      const keys = createLocalJWKSet((await (await fetch(`${server.issuer}/jwks`)).json()) as never)
      for (const jwt of [answer.body.id_token, machine.body.access_token]) {
        const { protectedHeader } = await jwtVerify(jwt, keys, { currentDate: new Date(server.clock.now()) })
        expect(protectedHeader.alg).toBe(algorithm)
      }
    },
  )
})

describe('by default', () => {
  let server: Latchkey
  beforeAll(async () => {
    server = await startLatchkey()
  })
  afterAll(() => server.stop())

  test('RS256, ES256 and EdDSA are offered', async () => {
    expect((await offered(server)).sort()).toEqual(['ES256', 'EdDSA', 'RS256'])
  })

  test.each(['PS256', 'ES384', 'ES512'])('%s cannot be chosen', async (algorithm) => {
    await expect(server.addClient(clientWith(algorithm))).rejects.toMatchObject({
      code: 'client_invalid',
      problems: [{ path: 'id_token_signed_response_alg', code: 'not_one_of' }],
    })
    await expect(server.parts.resourceServers.put(apiWith(algorithm), operator)).rejects.toMatchObject({
      code: 'resource_server_invalid',
      problems: [{ path: 'signing_algorithm', code: 'not_one_of' }],
    })
  })
})

test('an algorithm that is configured later is offered when its key signs, a day after it was announced', async () => {
  const database = await createTestDatabase()
  await (await startLatchkey({ database })).stop()
  const server = await startLatchkey({ database, env: { SIGNING_ALGORITHMS: 'RS256,ES256,EdDSA,ES512' } })
  expect(await offered(server)).not.toContain('ES512')
  await expect(server.addClient(clientWith('ES512'))).rejects.toMatchObject({ code: 'client_invalid' })
  server.clock.advance(24 * 3_600_000)
  await server.parts.rotation.advance()
  await server.parts.keyRing.confirm()
  expect(await offered(server)).toContain('ES512')
  await server.addClient(clientWith('ES512'))
  await server.stop()
  await database.close()
})

test('a start without an algorithm in use is refused and names the clients that use it; the key of an unused algorithm stays published', async () => {
  const database = await createTestDatabase()
  const env = { SIGNING_ALGORITHMS: 'RS256,ES256,EdDSA,ES512,ES384' }
  const server = await startLatchkey({ database, env })
  await server.addClient(clientWith('ES512'))
  await server.stop()
  await expect(startLatchkey({ database })).rejects.toMatchObject({
    code: 'signing_algorithm_in_use',
    params: { algorithms: 'ES512', users: 'signed-ES512' },
  })
  const again = await startLatchkey({ database, env: { SIGNING_ALGORITHMS: 'RS256,ES256,EdDSA,ES512' } })
  expect((await offered(again)).sort()).toEqual(['ES256', 'ES512', 'EdDSA', 'RS256'])
  // Still published: its signatures are still in use.
  const published = again.parts.keyRing.current().publicJwks.map(({ alg }) => alg)
  expect(published).toContain('ES384')
  await again.stop()
  await database.close()
})
