/** A JWT access token that is wrong is refused. A published key that cannot be used is a defect. */
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { createAccessTokenVerifier } from '../../src/oidc/jwt-access-token.ts'

const issuer = 'https://issuer.example'
const nowMs = 1_790_000_000_000
const claims = { aud: 'https://api.example', jti: 'jti', sub: 'web', client_id: 'web' }

const { publicKey, privateKey } = await generateKeyPair('ES256')
const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256', use: 'sig' }

const verifier = (key: object) =>
  // The verifier reads the published keys only.
  createAccessTokenVerifier({ issuer, now: () => nowMs, keyRing: { current: () => ({ publicJwks: [key] }) } as never })

const sign = (expSeconds = 60) =>
  new SignJWT(claims)
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'one' })
    .setIssuer(issuer)
    .setIssuedAt(nowMs / 1000)
    .setExpirationTime(nowMs / 1000 + expSeconds)
    .sign(privateKey)

test('a token is verified with the published key', async () => {
  expect(await verifier(jwk)(await sign())).toMatchObject({ claims, kid: 'one' })
})

test('the verifier returns undefined for a token that is expired, altered, cut off or of another issuer', async () => {
  const token = await sign()
  const [head, body, signature] = token.split('.') as [string, string, string]
  const other = Buffer.from(JSON.stringify({ iss: 'https://other.example' })).toString('base64url')
  const wrong = [
    await sign(-1),
    `${head}.${other}.${signature}`,
    `${head}.${body}.${signature.slice(1)}`,
    `${head}.${body}.!`,
    `${head}..`,
    `${head}.${body}`,
    'opaque',
    '..',
  ]
  for (const one of wrong) expect(await verifier(jwk)(one)).toBeUndefined()
})

test('the verifier throws when a published key cannot be read', async () => {
  await expect(verifier({ ...jwk, x: 'AAAA' })(await sign())).rejects.toThrow()
})
