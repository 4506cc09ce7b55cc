/**
 * Public keys that no client or passkey may have, and forged signatures that some of them accept.
 */
import { createHash, generateKeyPairSync } from 'node:crypto'
import type { JWK } from 'jose'

const encode = (bytes: Uint8Array | number[]) => Buffer.from(bytes).toString('base64url')
const decode = (text: string | undefined) => Buffer.from(text ?? '', 'base64url')

export const rsaJwk = (modulusLength = 2048): JWK =>
  generateKeyPairSync('rsa', { modulusLength }).publicKey.export({ format: 'jwk' }) as JWK

export const ecJwk = (namedCurve = 'P-256'): JWK =>
  generateKeyPairSync('ec', { namedCurve }).publicKey.export({ format: 'jwk' }) as JWK

export const edJwk = (): JWK => generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }) as JWK

/** The same key with the last bit of one member changed. */
function bent(jwk: JWK, member: 'n' | 'y'): JWK {
  const bytes = decode(jwk[member])
  bytes[bytes.length - 1]! ^= 1
  return { ...jwk, [member]: encode(bytes) }
}

export const exponentOne = (): JWK => ({ ...rsaJwk(), e: encode([1]) })
export const offCurve = (namedCurve = 'P-256'): JWK => bent(ecJwk(namedCurve), 'y')
export const evenModulus = (): JWK => bent(rsaJwk(), 'n')
/** 2048 bits by its length, of which the upper 1024 are zero. */
export const paddedModulus = (): JWK => {
  const { n, ...jwk } = rsaJwk(1024)
  return { ...jwk, n: encode(Buffer.concat([Buffer.alloc(128), decode(n)])) }
}
export const edPoint = (first: number, last = 0): JWK => ({
  kty: 'OKP',
  crv: 'Ed25519',
  x: encode([first, ...Array.from({ length: 30 }, () => (last === 0 ? 0 : 255)), last]),
})

/**
 * RFC 8017 §9.2 for SHA-256: the padded hash. It equals the RS256 signature of a key with e = 1.
 */
export function forgedRs256(data: Buffer | string, bytes = 256): Buffer {
  const info = Buffer.from('3031300d060960864801650304020105000420', 'hex')
  const tail = Buffer.concat([info, createHash('sha256').update(data).digest()])
  return Buffer.concat([Buffer.of(0, 1), Buffer.alloc(bytes - tail.length - 3, 255), Buffer.of(0), tail])
}

/** A signed JWT without a private key, for a key with e = 1. */
export function forgedJwt(header: object, claims: object): string {
  const input = [header, claims].map((part) => encode(Buffer.from(JSON.stringify(part)))).join('.')
  return `${input}.${encode(forgedRs256(input))}`
}
