/**
 * Client authentication by `private_key_jwt` (RFC 7523 §3, OpenID Connect Core 1.0 §9): the checks
 * that the engine does not make.
 */
import type { KoaContextWithOIDC } from 'oidc-provider'
import { errors } from 'oidc-provider'
import { headerProblem } from './jwt-header.ts'

const longestSeconds = 60 * 60
/** How far a client's clock may be ahead of ours. */
export const maxAheadSeconds = 60
/** How far a client's clock may be behind: an assertion is accepted this long after its `exp`. */
const maxBehindSeconds = 10

type Claims = Readonly<Record<string, unknown>>
type Deps = { issuer: string; assertionAlgorithms: readonly string[]; now: () => number }
type AssertingClient = { clientAuthSigningAlg?: string; client_assertion_audience?: unknown }

/**
 * The engine's `assertJwtClientAuthClaimsAndHeader`, called after the signature check and before
 * the `jti` is spent.
 * The header contains no key, and the algorithm is the one registered for the client. The audience
 * is one string: the issuer, or another audience that the engine accepts, unless the client is set
 * to `issuer`. The assertion is not from the future, has not expired, and expires within an hour.
 * Throws InvalidClientAuth (401).
 */
export function createAssertionCheck({ issuer, assertionAlgorithms, now }: Deps) {
  return async (ctx: KoaContextWithOIDC, claims: Claims, _header: Claims, client: AssertingClient): Promise<void> => {
    const { aud, exp, sub, iss } = claims
    const algorithms = client.clientAuthSigningAlg === undefined ? assertionAlgorithms : [client.clientAuthSigningAlg]
    const problem = headerProblem(String(ctx.oidc.params?.client_assertion), { algorithms })
    if (problem) throw new errors.InvalidClientAuth(problem)
    if (sub !== iss) throw new errors.InvalidClientAuth('sub and iss must both be the client_id')
    if (typeof aud !== 'string') throw new errors.InvalidClientAuth('aud must be one string')
    if (aud !== issuer && client.client_assertion_audience === 'issuer') {
      throw new errors.InvalidClientAuth('aud must be the issuer')
    }
    // An attacker could keep an assertion that was made in advance and use it later.
    if ([claims.iat, claims.nbf].some((time) => Number(time ?? 0) > now() / 1000 + maxAheadSeconds)) {
      throw new errors.InvalidClientAuth('iat and nbf must not be more than a minute ahead')
    }
    if (Number(exp) <= now() / 1000 - maxBehindSeconds) throw new errors.InvalidClientAuth('exp is over')
    if (Number(exp) > now() / 1000 + longestSeconds) {
      throw new errors.InvalidClientAuth('exp must not be more than an hour ahead')
    }
  }
}
