/**
 * A client's public keys for `private_key_jwt` (RFC 7523 §2.2, RFC 7591 §2), by value or by URL,
 * and its signing algorithm.
 */

import type { Problem } from '../problems.ts'
import { checkOneOf, isRecord } from '../problems.ts'
import { publicKeyProblem } from '../public-keys.ts'
import type { UriRules } from './uris.ts'
import { checkUri } from './uris.ts'

/** An HMAC would need the secret, and only its digest is stored. `none` proves nothing. */
export const assertionAlgorithms = ['ES256', 'EdDSA', 'RS256', 'PS256', 'ES384', 'ES512'] as const
export const assertionAudiences = ['issuer', 'any'] as const
export const keyMethod = 'private_key_jwt'

type Metadata = Readonly<Record<string, unknown>>

const algorithmOfCurve: Readonly<Record<string, string>> = {
  'P-256': 'ES256',
  'P-384': 'ES384',
  'P-521': 'ES512',
  Ed25519: 'EdDSA',
}

/** A curve allows one algorithm. An RSA key allows several, and its `alg` may name one. */
function algorithmOf(jwk: unknown): string | undefined {
  if (!isRecord(jwk)) return undefined
  if (typeof jwk.crv === 'string') return algorithmOfCurve[jwk.crv]
  return typeof jwk.alg === 'string' ? jwk.alg : undefined
}

const keysOf = (jwks: unknown): readonly unknown[] => (isRecord(jwks) && Array.isArray(jwks.keys) ? jwks.keys : [])

/** The algorithm of the client's assertions, if its keys allow only one. Otherwise undefined. */
export function impliedAlgorithm({ jwks }: Metadata): string | undefined {
  const algorithms = new Set(keysOf(jwks).map(algorithmOf))
  const [only] = algorithms
  return algorithms.size === 1 && assertionAlgorithms.some((one) => one === only) ? only : undefined
}

/** Checks the keys and the settings for them. */
export function checkKeySet(given: Metadata, method: unknown, rules: UriRules): Problem[] {
  const { jwks, jwks_uri: uri, token_endpoint_auth_signing_alg: algorithm, client_assertion_audience: audience } = given
  const problems: Problem[] = []
  if (method !== keyMethod) {
    for (const key of ['jwks', 'jwks_uri', 'token_endpoint_auth_signing_alg', 'client_assertion_audience']) {
      if (given[key] !== undefined) problems.push({ path: key, code: 'needs_key_method' })
    }
    return problems
  }
  if ((jwks === undefined) === (uri === undefined)) problems.push({ path: 'jwks', code: 'keys_one_way' })
  if (uri !== undefined) problems.push(...checkUri(uri, 'jwks_uri', rules))
  if (jwks !== undefined) problems.push(...checkJwks(jwks))
  problems.push(...checkOneOf('client_assertion_audience', audience, assertionAudiences))
  problems.push(...checkOneOf('token_endpoint_auth_signing_alg', algorithm, assertionAlgorithms))
  if (algorithm === undefined && impliedAlgorithm(given) === undefined) {
    problems.push({ path: 'token_endpoint_auth_signing_alg', code: 'required' })
  }
  return problems
}

function checkJwks(jwks: unknown): Problem[] {
  const keys = keysOf(jwks)
  if (keys.length === 0 || keys.length > 50) return [{ path: 'jwks', code: 'not_key_set' }]
  return keys.flatMap((jwk, index): Problem[] => {
    const path = `jwks.keys[${index}]`
    const code = publicKeyProblem(jwk) ?? kidProblem(jwk)
    return code === undefined ? [] : [{ path, code }]
  })
}

function kidProblem(jwk: unknown): 'not_key' | undefined {
  const kid = isRecord(jwk) ? jwk.kid : undefined
  return kid === undefined || (typeof kid === 'string' && kid.length <= 200) ? undefined : 'not_key'
}
