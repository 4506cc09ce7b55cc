/**
 * Discovery (OpenID Connect Discovery 1.0 §3, RFC 8414) and the key set (RFC 7517 §5) list exactly
 * what is supported.
 */
import type { Latchkey } from '../support/latchkey.ts'
import { startLatchkey } from '../support/latchkey.ts'

let server: Latchkey
const paths = ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server']

beforeAll(async () => {
  server = await startLatchkey()
})
afterAll(() => server.stop())

// biome-ignore lint/suspicious/noExplicitAny: a document of many shapes
const read = async (path: string): Promise<any> => (await fetch(server.issuer + path)).json()

test('both documents are the same and name this issuer, whatever Host the request has', async () => {
  const [openid, oauth] = await Promise.all(paths.map(read))
  expect(openid).toEqual(oauth)
  expect(openid.issuer).toBe(server.issuer)
  const url = new URL(server.issuer)
  const response = await fetch(`http://127.0.0.1:${url.port}${paths[0]}`, {
    headers: { 'X-Forwarded-Host': 'evil.example' },
  })
  expect(await response.json()).toEqual(openid)
})

test('every endpoint in discovery responds, and no page of the engine is reachable', async () => {
  const document = await read(paths[0]!)
  const endpoints = Object.entries(document).filter(([name]) => /_endpoint$|_uri$/.test(name))
  expect(endpoints.map(([name]) => name).sort()).toEqual([
    'authorization_endpoint',
    'end_session_endpoint',
    'introspection_endpoint',
    'jwks_uri',
    'pushed_authorization_request_endpoint',
    'revocation_endpoint',
    'token_endpoint',
    'userinfo_endpoint',
  ])
  for (const [, url] of endpoints) {
    const response = await fetch(String(url), { headers: { Accept: 'text/html' }, redirect: 'manual' })
    expect([url, response.status]).not.toEqual([url, 404])
    const text = await response.text()
    expect(text).not.toMatch(/fonts\.googleapis|<script>|<style|onload=/)
  }
})

test('discovery advertises exactly what the server offers', async () => {
  const document = await read(paths[0]!)
  expect(document).toMatchObject({
    response_types_supported: ['code'],
    response_modes_supported: ['query', 'form_post'],
    grant_types_supported: ['authorization_code', 'refresh_token', 'client_credentials'],
    code_challenge_methods_supported: ['S256'],
    id_token_signing_alg_values_supported: ['RS256', 'ES256', 'EdDSA'],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
    subject_types_supported: ['public'],
    scopes_supported: ['openid', 'profile', 'email', 'phone', 'address', 'offline_access', 'roles'],
    authorization_response_iss_parameter_supported: true,
    claims_parameter_supported: true,
    request_uri_parameter_supported: false,
    backchannel_logout_supported: true,
    backchannel_logout_session_supported: true,
    token_endpoint_auth_signing_alg_values_supported: ['ES256', 'EdDSA', 'RS256', 'PS256', 'ES384', 'ES512'],
    dpop_signing_alg_values_supported: ['ES256', 'EdDSA', 'Ed25519', 'ES384', 'RS256', 'PS256'],
  })
  for (const absent of [
    'registration_endpoint',
    'device_authorization_endpoint',
    'backchannel_authentication_endpoint',
    'client_id_metadata_document_supported',
    'tls_client_certificate_bound_access_tokens',
    'request_object_signing_alg_values_supported',
  ]) {
    expect(document).not.toHaveProperty(absent)
  }
})

test('the key set has one public key for each algorithm, and may be cached', async () => {
  const response = await fetch(`${server.issuer}/jwks`)
  const { keys } = (await response.json()) as { keys: Record<string, string>[] }
  expect(keys.map(({ alg }) => alg).sort()).toEqual(['ES256', 'EdDSA', 'RS256'])
  for (const key of keys) {
    expect(key).toMatchObject({ use: 'sig', kid: expect.any(String) })
    for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']) expect(key).not.toHaveProperty(secret)
  }
  expect(new Set(keys.map(({ kid }) => kid)).size).toBe(3)
  expect(response.headers.get('Cache-Control')).toMatch(/max-age=\d+/)
})
