/**
 * The plan oidcc-config-certification-test-plan of the OpenID Foundation: a test with its module's
 * name (OpenID Connect Discovery 1.0 §3, §4).
 */
import type { Latchkey } from '../support/latchkey.ts'
import { startCertified } from './certification.ts'

let server: Latchkey
beforeAll(async () => {
  server = await startCertified()
})
afterAll(() => server.stop())

const endpoints = ['authorization_endpoint', 'token_endpoint', 'userinfo_endpoint', 'jwks_uri', 'end_session_endpoint']

test('oidcc-discovery-endpoint-verification', async () => {
  const response = await fetch(`${server.issuer}/.well-known/openid-configuration`)
  expect([response.status, response.headers.get('Content-Type')]).toEqual([200, 'application/json; charset=utf-8'])
  // biome-ignore lint/suspicious/noExplicitAny: a document of many shapes
  const document = (await response.json()) as any
  expect(document.issuer).toBe(server.issuer)
  for (const name of endpoints) expect(new URL(document[name]).origin).toBe(server.issuer)
  expect(document.response_types_supported).toEqual(['code'])
  expect(document.subject_types_supported).toEqual(['public'])
  expect(document.id_token_signing_alg_values_supported).toContain('RS256')
  expect(document.scopes_supported).toContain('openid')
  expect(document.claims_supported).toEqual(expect.arrayContaining(['sub', 'iss', 'auth_time', 'acr', 'name', 'email']))
  expect(document.claims_parameter_supported).toBe(true)
  expect(document.request_parameter_supported ?? false).toBe(false)
  // OpenID Connect Discovery 1.0 §3: a missing value means true, so false must be explicit.
  expect(document.request_uri_parameter_supported).toBe(false)
  expect(document.grant_types_supported).toEqual(expect.arrayContaining(['authorization_code', 'refresh_token']))
  expect(document.grant_types_supported).not.toContain('implicit')

  const jwks = (await (await fetch(document.jwks_uri)).json()) as { keys: Record<string, string>[] }
  expect(jwks.keys.length).toBeGreaterThan(0)
  const kids = jwks.keys.map(({ kid }) => kid)
  expect(new Set(kids).size).toBe(jwks.keys.length)
  for (const key of jwks.keys) {
    expect(key).toMatchObject({ kid: expect.any(String), use: 'sig', alg: expect.any(String) })
    for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'oth']) expect(key).not.toHaveProperty(secret)
    // Base64url without padding (RFC 7515 §2).
    for (const part of ['n', 'e', 'x', 'y']) if (part in key) expect(key[part]).toMatch(/^[\w-]+$/)
  }
})
