/**
 * The one check of every public key from another party: a client's keys, the key of a DPoP proof, a
 * passkey's key.
 */
import { createPublicKey } from 'node:crypto'
import { isRecord } from './problems.ts'

/** What can be wrong with a key; each is also a code of `problems`. */
export type PublicKeyProblem = 'not_key' | 'key_is_private' | 'key_size' | 'key_exponent' | 'key_off_curve'

type Jwk = Readonly<Record<string, unknown>>

const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']
const curves: readonly unknown[] = ['P-256', 'P-384', 'P-521']

/**
 * RFC 7518 §3.3 gives the lower limit. The upper one limits the cost of checking a foreign proof.
 */
const minModulusBits = 2048
const maxModulusBits = 8192
/**
 * Longer than the longest permitted number in base64url. Converting a number takes more than linear
 * time.
 */
const maxDigits = 2048

// With e = 1 a signature is the padded hash, so no private key is needed (CVE-2026-8830). FIPS
// 186-5 §5.1 requires an odd e above 2^16. A TPM and other devices store it in 32 bits.
const minExponent = 65_537n
const maxExponent = 2n ** 32n

/**
 * The problem of a public key in JWK form (RFC 7517); undefined when valid. It must be RSA, EC
 * (P-256, P-384, P-521) or OKP (Ed25519). A symmetric key is refused, because it is secret.
 */
export function publicKeyProblem(jwk: unknown): PublicKeyProblem | undefined {
  if (!isRecord(jwk)) return 'not_key'
  if (privateMembers.some((member) => member in jwk)) return 'key_is_private'
  if (jwk.kty === 'RSA') return rsaProblem(jwk)
  if (jwk.kty === 'EC') return ecProblem(jwk)
  return jwk.kty === 'OKP' ? okpProblem(jwk) : 'not_key'
}

const isText = (value: unknown): value is string => typeof value === 'string' && /^[\w-]{2,}$/.test(value)

const numberOf = (text: string): bigint => BigInt(`0x${Buffer.from(text, 'base64url').toString('hex')}`)

/** RFC 7518 §6.3. An even modulus is not the product of two odd primes. */
function rsaProblem({ n, e }: Jwk): PublicKeyProblem | undefined {
  if (!isText(n) || !isText(e)) return 'not_key'
  if (n.length > maxDigits) return 'key_size'
  if (e.length > maxDigits) return 'key_exponent'
  const [modulus, exponent] = [numberOf(n), numberOf(e)]
  // Leading zeros do not make a key longer.
  const bits = modulus.toString(2).length
  if (bits < minModulusBits || bits > maxModulusBits) return 'key_size'
  if (exponent < minExponent || exponent > maxExponent || isEven(exponent)) return 'key_exponent'
  return isEven(modulus) ? 'not_key' : undefined
}

const isEven = (value: bigint): boolean => value % 2n === 0n

/**
 * RFC 7518 §6.2. OpenSSL checks that the point is on the curve, and a test verifies that it does.
 */
function ecProblem({ crv, x, y }: Jwk): PublicKeyProblem | undefined {
  if (!curves.includes(crv) || !isText(x) || !isText(y)) return 'not_key'
  try {
    createPublicKey({ key: { kty: 'EC', crv: String(crv), x, y }, format: 'jwk' })
    return undefined
  } catch {
    // OpenSSL refuses a point that is not on the curve.
    return 'key_off_curve'
  }
}

const prime = 2n ** 255n - 19n
const curveD = 37095705934669439343138083508754565189542113879843219016388785533085940283555n
const orderEight = 2707385501144840649318225287225658788936804267575313519463743609750303402022n
/**
 * With a key of small order a signature can be made without a private key, as with e = 1 (RFC 8032
 * §5.1).
 */
const smallOrder: readonly bigint[] = [0n, 1n, prime - 1n, orderEight, prime - orderEight]

/**
 * RFC 8037 §2 and RFC 8032 §5.1.3. OpenSSL accepts any 32 bytes as a key, so the point is computed
 * here.
 */
function okpProblem({ crv, x }: Jwk): PublicKeyProblem | undefined {
  if (crv !== 'Ed25519' || !isText(x)) return 'not_key'
  const bytes = Buffer.from(x, 'base64url')
  if (bytes.length !== 32) return 'not_key'
  // The last byte's highest bit is the sign of the other coordinate.
  bytes[31] = (bytes[31] ?? 0) & 0x7f
  const y = BigInt(`0x${bytes.reverse().toString('hex')}`)
  if (y >= prime || smallOrder.includes(y)) return 'key_off_curve'
  // The other coordinate is the root of (y² − 1) / (d·y² + 1), which is a square when the product
  // is one.
  const square = y * y
  return isSquare(((square - 1n) * (curveD * square + 1n)) % prime) ? undefined : 'key_off_curve'
}

/** Euler's criterion. */
function isSquare(value: bigint): boolean {
  let [result, base] = [1n, value]
  for (let exponent = (prime - 1n) / 2n; exponent > 0n; exponent >>= 1n) {
    if (!isEven(exponent)) result = (result * base) % prime
    base = (base * base) % prime
  }
  return result === 1n
}
