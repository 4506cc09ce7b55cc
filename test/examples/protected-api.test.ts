/**
 * The machine client and the protected API: a valid token is accepted, and an invalid one is
 * refused as RFC 6750 says.
 */
import type { JWTHeaderParameters } from 'jose'
import { decodeJwt, decodeProtectedHeader, exportSPKI, generateKeyPair, importJWK, SignJWT, UnsecuredJWT } from 'jose'
import { callApi } from '../../examples/machine-client/client.ts'
import * as protectedApi from '../../examples/protected-api/server.ts'
import { createRelyingParty, startLatchkey } from '../support/latchkey.ts'
import type { Setup } from './setup.ts'
import { audience, machine, openSetup, otherAudience } from './setup.ts'

let setup: Setup
beforeAll(async () => {
  setup = await openSetup()
})
afterAll(() => setup.close())

async function takeToken(scope: string, resource = audience, issuer = setup.issuer): Promise<string> {
  const { clientId, clientSecret } = machine
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: clientId,
      client_secret: clientSecret,
      resource,
      scope,
    }),
  })
  return ((await response.json()) as { access_token: string }).access_token
}

async function ask(token?: string, method = 'GET', scheme = 'Bearer', url = setup.api.url) {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `${scheme} ${token}` }
  const response = await fetch(url, { method, headers })
  const body = (await response.json()) as Record<string, unknown>
  return { status: response.status, challenge: response.headers.get('www-authenticate'), body }
}

const refused = (reason: string) => ({
  status: 401,
  challenge: `Bearer realm="${audience}", error="invalid_token", error_description="${reason}"`,
})

test('the machine client gets a token with its own credentials and calls the API', async () => {
  const answer = await callApi({
    ...machine,
    issuer: setup.issuer,
    resource: audience,
    scope: 'api:read',
    apiUrl: setup.api.url,
  })
  expect(answer).toMatchObject({ status: 200, body: { client_id: machine.clientId, scopes: ['api:read'] } })
})

test('the scheme is accepted in any letter case (RFC 9110 §11.1)', async () => {
  expect(await ask(await takeToken('api:read'), 'GET', 'bEARER')).toMatchObject({ status: 200 })
})

test('a request without a token gets the scheme and no error (RFC 6750 §3.1)', async () => {
  expect(await ask()).toMatchObject({ status: 401, challenge: `Bearer realm="${audience}"` })
  expect(await ask('YTpi', 'GET', 'Basic')).toMatchObject({ status: 401, challenge: `Bearer realm="${audience}"` })
})

test('a token without the required scope is 403 and names the missing scope (RFC 6750 §3.1)', async () => {
  const token = await takeToken('api:read')
  expect(await ask(token, 'POST')).toMatchObject({
    status: 403,
    challenge: `Bearer realm="${audience}", error="insufficient_scope", scope="api:write"`,
  })
  expect(await ask(await takeToken('api:write'), 'POST')).toMatchObject({ status: 200 })
})

test('a token for another API is refused (RFC 9068 §4, aud)', async () => {
  const token = await takeToken('api:read', otherAudience)
  expect(decodeJwt(token).aud).toBe(otherAudience)
  expect(await ask(token)).toMatchObject(refused("unexpected 'aud' claim value"))
})

test('a token of another issuer is refused, even under the same keys (RFC 9068 §4, iss)', async () => {
  const other = await startLatchkey({ database: setup.latchkey.shared, clock: setup.clock })
  const token = await takeToken('api:read', audience, other.issuer)
  await other.stop()
  expect(decodeJwt(token).iss).toBe(other.issuer)
  expect(await ask(token)).toMatchObject(refused("unexpected 'iss' claim value"))
})

test('an ID token is refused (RFC 9068 §2.1, typ)', async () => {
  await setup.latchkey.addClient({
    clientId: 'reader',
    kind: 'spa',
    metadata: { client_name: 'Reader', redirect_uris: ['https://reader.example/callback'], scope: 'openid' },
  })
  const client = createRelyingParty(setup)
  const parameters = { client_id: 'reader', redirect_uri: 'https://reader.example/callback' }
  const { code = '' } = await client.authorize(parameters)
  const { body } = await client.exchange(code, parameters)
  expect(decodeJwt(body.id_token)).toMatchObject({ iss: setup.issuer, aud: 'reader' })
  // The client and this API have the same name, so only the type distinguishes the two tokens.
  const api = await protectedApi.start({ issuer: setup.issuer, port: 0, audience: 'reader' })
  const answer = await ask(body.id_token, 'GET', 'Bearer', api.url)
  await api.close()
  expect(answer).toMatchObject({ status: 401, body: { error: 'invalid_token' } })
  expect(answer.challenge).toContain("unexpected 'typ' JWT header value")
  expect(await ask(body.access_token)).toMatchObject(refused('Invalid Compact JWS')) // opaque
})

describe('a token with the right claims and the wrong signature is refused:', () => {
  let claims: ReturnType<typeof decodeJwt>
  let header: JWTHeaderParameters
  beforeAll(async () => {
    const token = await takeToken('api:read')
    claims = decodeJwt(token)
    header = decodeProtectedHeader(token) as JWTHeaderParameters
  })

  test('alg none (RFC 8725 §3.1)', async () => {
    const token = new UnsecuredJWT(claims).encode()
    expect(await ask(token)).toMatchObject({ status: 401, body: { error: 'invalid_token' } })
  })

  test('HS256 over the public key (RFC 8725 §2.1)', async () => {
    const { keys } = (await (await fetch(`${setup.issuer}/jwks`)).json()) as { keys: { kid: string }[] }
    const jwk = keys.find(({ kid }) => kid === header.kid)!
    const secret = Buffer.from(await exportSPKI((await importJWK(jwk, 'ES256', { extractable: true })) as never))
    const token = await new SignJWT(claims).setProtectedHeader({ ...header, alg: 'HS256' }).sign(secret)
    expect(await ask(token)).toMatchObject(refused("'alg' (Algorithm) Header Parameter value not allowed"))
  })

  test('a key of another issuer under the same kid', async () => {
    const { privateKey } = await generateKeyPair('ES256')
    const token = await new SignJWT(claims).setProtectedHeader(header).sign(privateKey)
    expect(await ask(token)).toMatchObject(refused('signature verification failed'))
  })

  test('an unknown kid, and a key in the header (RFC 8725 §3.10)', async () => {
    const { privateKey } = await generateKeyPair('ES256')
    const token = await new SignJWT(claims)
      .setProtectedHeader({ ...header, kid: 'unknown', jku: 'http://localhost:1/keys' })
      .sign(privateKey)
    expect(await ask(token)).toMatchObject(refused('no applicable key found in the JSON Web Key Set'))
  })
})

test('a malformed token is refused', async () => {
  expect(await ask('x')).toMatchObject({ status: 401, body: { error: 'invalid_token' } })
})

// This test is the last one, because the clock cannot be set back.
test('an expired token is refused (RFC 9068 §4, exp)', async () => {
  const token = await takeToken('api:read')
  expect(await ask(token)).toMatchObject({ status: 200 })
  setup.clock.advance(601_000)
  expect(await ask(token)).toMatchObject(refused("'exp' claim timestamp check failed"))
})
