/** The public keys of passkeys (COSE, RFC 9052 §7) as JWKs, for the check of all public keys. */
import type { PublicKeyProblem } from '../../../public-keys.ts'
import { publicKeyProblem } from '../../../public-keys.ts'

/** ES256, EdDSA, RS256: the algorithms of common authenticators. */
export const coseAlgorithms = [-7, -8, -257]

type CoseKey = ReadonlyMap<number, unknown>
type Shape = Readonly<{ kty: number; crv?: number; toJwk: (key: CoseKey) => Record<string, unknown> }>

/** RFC 9053 §7.1 and RFC 8230 §4: the private parameters of a key. */
const ellipticPrivate = -4
const rsaPrivate = [-3, -4, -5, -6, -7, -8, -9, -10, -11, -12]

const text = (value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString('base64url') : undefined)
const secret = (key: CoseKey, labels: readonly number[]) => (labels.some((label) => key.has(label)) ? { d: '' } : {})

/**
 * Web Authentication Level 3 §5.8.5: each algorithm has one key type and one curve. Points are not
 * compressed.
 */
const shapes = new Map<unknown, Shape>([
  [
    -7,
    {
      kty: 2,
      crv: 1,
      toJwk: (key) => ({
        kty: 'EC',
        crv: 'P-256',
        x: text(key.get(-2)),
        y: text(key.get(-3)),
        ...secret(key, [ellipticPrivate]),
      }),
    },
  ],
  [
    -8,
    {
      kty: 1,
      crv: 6,
      toJwk: (key) => ({ kty: 'OKP', crv: 'Ed25519', x: text(key.get(-2)), ...secret(key, [ellipticPrivate]) }),
    },
  ],
  [
    -257,
    {
      kty: 3,
      toJwk: (key) => ({ kty: 'RSA', n: text(key.get(-1)), e: text(key.get(-2)), ...secret(key, rsaPrivate) }),
    },
  ],
])

/**
 * Returns the problem of a passkey's public key, or undefined. Decodes it like the library that
 * verifies with it.
 */
export async function coseKeyProblem(bytes: Uint8Array): Promise<PublicKeyProblem | undefined> {
  const { decodeCredentialPublicKey } = await import('@simplewebauthn/server/helpers')
  let key: unknown
  try {
    key = decodeCredentialPublicKey(Uint8Array.from(bytes))
  } catch {
    // The library refuses bytes that are no COSE key.
    return 'not_key'
  }
  if (!(key instanceof Map)) return 'not_key'
  const shape = shapes.get(key.get(3))
  if (!shape || key.get(1) !== shape.kty) return 'not_key'
  if (shape.crv !== undefined && key.get(-1) !== shape.crv) return 'not_key'
  return publicKeyProblem(shape.toJwk(key))
}
