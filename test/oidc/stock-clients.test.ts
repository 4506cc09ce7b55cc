/** Standard libraries as documented: openid-client for applications, jose for APIs. */
import { createRemoteJWKSet, jwtVerify } from 'jose'
import * as client from 'openid-client'
import type { Latchkey } from '../support/latchkey.ts'
import { api, callback, createRelyingParty, startLatchkey, webSecret } from '../support/latchkey.ts'

let server: Latchkey

beforeAll(async () => {
  server = await startLatchkey()
})
afterAll(() => server.stop())

const discover = (clientId: string, secret?: string) =>
  client.discovery(new URL(server.issuer), clientId, secret, secret === undefined ? client.None() : undefined, {
    execute: [client.allowInsecureRequests],
  })

test.each([
  ['web', webSecret, callback],
  ['spa', undefined, 'https://spa.example/callback'],
])(
  'openid-client signs in as %s, requests userinfo, refreshes, introspects and revokes',
  async (clientId, secret, redirectUri) => {
    const config = await discover(clientId, secret)
    const verifier = client.randomPKCECodeVerifier()
    const state = client.randomState()
    const nonce = client.randomNonce()
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri,
      scope: 'openid email offline_access',
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      nonce,
    })
    const rp = createRelyingParty(server)
    const answer = await rp.complete(await rp.browser.get(url.href))
    const returned = new URL(redirectUri)
    for (const [name, value] of Object.entries(answer)) returned.searchParams.set(name, value)

    const tokens = await client.authorizationCodeGrant(config, returned, {
      pkceCodeVerifier: verifier,
      expectedState: state,
      expectedNonce: nonce,
    })
    const { sub } = tokens.claims()!
    expect(await client.fetchUserInfo(config, tokens.access_token, sub)).toMatchObject({
      sub,
      email: 'alice@example.com',
    })
    const turned = await client.refreshTokenGrant(config, tokens.refresh_token!)
    expect(turned.refresh_token).not.toBe(tokens.refresh_token)
    if (secret !== undefined)
      expect(await client.tokenIntrospection(config, turned.access_token)).toMatchObject({ active: true, sub })
    await client.tokenRevocation(config, turned.refresh_token!)
    await expect(client.refreshTokenGrant(config, turned.refresh_token!)).rejects.toMatchObject({
      error: 'invalid_grant',
    })
    expect(client.buildEndSessionUrl(config, { id_token_hint: tokens.id_token! }).href).toContain(
      `${server.issuer}/logout?`,
    )
  },
)

test('a machine gets a token with openid-client, and an API verifies it offline with jose', async () => {
  const config = await discover('machine', webSecret)
  const { access_token: token } = await client.clientCredentialsGrant(config, {
    resource: api,
    scope: 'api:read api:write',
  })
  const keys = createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri!))
  const { payload } = await jwtVerify(token, keys, {
    issuer: server.issuer,
    audience: api,
    typ: 'at+jwt',
    algorithms: ['ES256'],
  })
  expect(payload).toMatchObject({ sub: 'machine', scope: 'api:read api:write' })
})
