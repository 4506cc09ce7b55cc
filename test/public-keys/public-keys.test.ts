/** The check of public keys from other parties (RFC 7518 §6, RFC 8037 §2, FIPS 186-5 §5.1). */
import type { JWK } from 'jose'
import { publicKeyProblem } from '../../src/public-keys.ts'
import {
  ecJwk,
  edJwk,
  edPoint,
  evenModulus,
  exponentOne,
  offCurve,
  paddedModulus,
  rsaJwk,
} from '../support/public-keys.ts'

const e = (value: bigint) => Buffer.from(value.toString(16).padStart(16, '0'), 'hex').toString('base64url')
const rsa = rsaJwk()
const ones = (bytes: number) => Buffer.alloc(bytes, 255).toString('base64url')

test.each<[string, JWK]>([
  ['RSA of 2048 bits', rsa],
  ['RSA with another odd exponent', { ...rsa, e: e(65_539n) }],
  ['RSA with the greatest exponent', { ...rsa, e: e(2n ** 32n - 1n) }],
  [
    'RSA with a leading zero',
    { ...rsa, n: Buffer.concat([Buffer.of(0), Buffer.from(rsa.n!, 'base64url')]).toString('base64url') },
  ],
  ['RSA of 8192 bits', { ...rsa, n: ones(1024) }],
  ['P-256', ecJwk()],
  ['P-384', ecJwk('P-384')],
  ['P-521', ecJwk('P-521')],
  ['Ed25519', edJwk()],
])('%s is accepted', (_name, jwk) => {
  expect(publicKeyProblem(jwk)).toBeUndefined()
  expect(publicKeyProblem({ ...jwk, kid: 'first', use: 'sig', alg: 'x' })).toBeUndefined()
})

test('a hundred new Ed25519 keys are accepted', () => {
  for (let i = 0; i < 100; i += 1) expect(publicKeyProblem(edJwk())).toBeUndefined()
})

const p256 = ecJwk()
const eightOrdered = 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a'
const eightOrderedToo = '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05'
const ed = (hex: string): JWK => ({ kty: 'OKP', crv: 'Ed25519', x: Buffer.from(hex, 'hex').toString('base64url') })

test.each<[string, unknown, string]>([
  ['nothing', undefined, 'not_key'],
  ['a text', 'key', 'not_key'],
  ['a symmetric key', { kty: 'oct', k: 'c2VjcmV0' }, 'key_is_private'],
  ['a symmetric key without its secret', { kty: 'oct' }, 'not_key'],
  ['a type that is not known', { kty: 'AKP', alg: 'ML-DSA-44', pub: 'AAAA' }, 'not_key'],
  ['a private key', { ...p256, d: 'AAAA' }, 'key_is_private'],
  ['RSA without n', { kty: 'RSA', e: 'AQAB' }, 'not_key'],
  ['RSA without e', { kty: 'RSA', n: rsa.n }, 'not_key'],
  ['RSA with padding', { ...rsa, n: `${rsa.n}==` }, 'not_key'],
  ['RSA with an n of one digit', { ...rsa, n: 'A' }, 'not_key'],
  ['RSA of 1024 bits', rsaJwk(1024), 'key_size'],
  ['RSA of 1024 bits behind zeros', paddedModulus(), 'key_size'],
  [
    'RSA of 2047 bits',
    { ...rsa, n: Buffer.concat([Buffer.of(127), Buffer.alloc(255, 255)]).toString('base64url') },
    'key_size',
  ],
  [
    'RSA of 8193 bits',
    { ...rsa, n: Buffer.concat([Buffer.of(1), Buffer.alloc(1024, 255)]).toString('base64url') },
    'key_size',
  ],
  ['RSA of 80,000 bits', { ...rsa, n: ones(10_000) }, 'key_size'],
  ['RSA with an even modulus', evenModulus(), 'not_key'],
  ['RSA with e = 1', exponentOne(), 'key_exponent'],
  ['RSA with e = 0', { ...rsa, e: 'AA' }, 'key_exponent'],
  ['RSA with e = 3', { ...rsa, e: 'Aw' }, 'key_exponent'],
  ['RSA with e = 65535', { ...rsa, e: e(65_535n) }, 'key_exponent'],
  ['RSA with an even e', { ...rsa, e: e(65_538n) }, 'key_exponent'],
  ['RSA with e = 2^32 + 1', { ...rsa, e: e(2n ** 32n + 1n) }, 'key_exponent'],
  ['RSA with an e of 80,000 bits', { ...rsa, e: ones(10_000) }, 'key_exponent'],
  ['P-256 off its curve', offCurve(), 'key_off_curve'],
  ['P-384 off its curve', offCurve('P-384'), 'key_off_curve'],
  ['P-521 off its curve', offCurve('P-521'), 'key_off_curve'],
  ['P-256 with another curve’s name', { ...p256, crv: 'P-384' }, 'key_off_curve'],
  ['P-256 at zero', { ...p256, x: 'AAAA', y: 'AAAA' }, 'key_off_curve'],
  ['P-256 with coordinates above the prime', { ...p256, x: ones(32) }, 'key_off_curve'],
  ['EC without y', { ...p256, y: undefined }, 'not_key'],
  ['secp256k1', ecJwk('secp256k1'), 'not_key'],
  ['X25519', { ...edJwk(), crv: 'X25519' }, 'not_key'],
  ['Ed25519 of 31 bytes', { ...edJwk(), x: ones(31) }, 'not_key'],
  ['Ed25519 of 33 bytes', { ...edJwk(), x: ones(33) }, 'not_key'],
  ['Ed25519 off its curve', edPoint(2), 'key_off_curve'],
  ['Ed25519 above the prime', edPoint(0xf1, 0x7f), 'key_off_curve'],
  ['Ed25519 of order 1', edPoint(1), 'key_off_curve'],
  ['Ed25519 of order 1, with a sign', ed(`01${'00'.repeat(30)}80`), 'key_off_curve'],
  ['Ed25519 of order 2', edPoint(0xec, 0x7f), 'key_off_curve'],
  ['Ed25519 of order 4', edPoint(0), 'key_off_curve'],
  ['Ed25519 of order 8', ed(eightOrdered), 'key_off_curve'],
  ['Ed25519 of the other order 8', ed(eightOrderedToo), 'key_off_curve'],
])('%s is refused', (_name, jwk, problem) => {
  expect(publicKeyProblem(jwk)).toBe(problem)
})
