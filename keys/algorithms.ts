/** The signature algorithms, and how a key for each is made (RFC 7518 §3.1, RFC 8037 §3.1). */
import { generateKeyPair } from 'node:crypto'
import { promisify } from 'node:util'
import type { JWK } from 'jose'
import { calculateJwkThumbprint } from 'jose'

const generate = promisify(generateKeyPair)

// OWASP ASVS V11.2.3 asks for 128 bits of security: RSA of 3072 bits.
const rsa = () => generate('rsa', { modulusLength: 3072 })
const generators = {
  RS256: rsa,
  ES256: () => generate('ec', { namedCurve: 'P-256' }),
  EdDSA: () => generate('ed25519'),
  PS256: rsa,
  ES384: () => generate('ec', { namedCurve: 'P-384' }),
  ES512: () => generate('ec', { namedCurve: 'P-521' }),
} as const

export type Algorithm = keyof typeof generators
/** Every algorithm that can be configured. */
export const algorithms = Object.keys(generators) as readonly Algorithm[]

export type SigningJwk = JWK & Readonly<{ kid: string; alg: string; use: 'sig' }>

/** OWASP ASVS V11.2.3 requires 128 bits of security: RSA needs 3072 bits. */
export async function generateJwk(algorithm: Algorithm): Promise<SigningJwk> {
  const { privateKey } = await generators[algorithm]()
  const jwk = privateKey.export({ format: 'jwk' }) as JWK
  const kid = await calculateJwkThumbprint(jwk, 'sha256')
  // A kid that begins with `-` (one in 64) is discarded: `latchkey keys revoke -x…` would read it
  // as an option.
  return kid.startsWith('-') ? generateJwk(algorithm) : { ...jwk, kid, alg: algorithm, use: 'sig' }
}

const publicMembers = ['kty', 'crv', 'x', 'y', 'n', 'e'] as const

/**
 * The public members, by name: a private member that this list does not name is never published.
 */
export function toPublicJwk(jwk: SigningJwk): SigningJwk {
  const members = publicMembers.filter((name) => jwk[name] !== undefined).map((name) => [name, jwk[name]])
  return { ...Object.fromEntries(members), kid: jwk.kid, alg: jwk.alg, use: 'sig' }
}
