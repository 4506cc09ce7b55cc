/**
 * DPoP proofs (RFC 9449 §4.3): the checks that the engine does not make or makes differently. The
 * binding of refresh tokens to a key is in `adapters/grants.ts` and `adapters/token-families.ts`.
 */
import { hash } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import type { KoaContextWithOIDC } from 'oidc-provider'
import { errors } from 'oidc-provider'
import { publicKeyProblem } from '../public-keys.ts'
import { headerProblem } from './jwt-header.ts'

export const dpopAlgorithms = ['ES256', 'EdDSA', 'Ed25519', 'ES384', 'RS256', 'PS256'] as const

/** How far `iat` may be from our clock without a nonce (60 s; the engine accepts five minutes). */
const freshSeconds = 60

type Claims = { iat?: unknown; jti?: unknown }

function claimsOf(proof: string): Claims {
  try {
    return decodeJwt(proof) as Claims
  } catch {
    // Not a JWT: the engine refuses the proof.
    return {}
  }
}

/**
 * The engine's `requireNonce`, called before it checks the proof: gives true when `iat` is more
 * than `freshSeconds` from our clock (§8, §11.1).
 * Throws InvalidDpopProof for a header with forbidden parameters and for a weak key.
 */
export function createNonceRule({ now }: { now: () => number }) {
  return (ctx: KoaContextWithOIDC): boolean => {
    const proof = ctx.get('DPoP')
    const problem = headerProblem(proof, { algorithms: dpopAlgorithms, typ: 'dpop+jwt', mayEmbedKey: true })
    if (problem) throw new errors.InvalidDpopProof(problem)
    const keyProblem = publicKeyProblem(decodeProtectedHeader(proof).jwk)
    if (keyProblem) throw new errors.InvalidDpopProof(`the jwk in the header is refused (${keyProblem})`)
    const { iat } = claimsOf(proof)
    return typeof iat === 'number' && Math.abs(now() / 1000 - iat) > freshSeconds
  }
}

/**
 * Throws InvalidDpopProof when `id`, found in the replay store, belongs to the DPoP proof of this
 * request. The engine would answer invalid_grant, and invalid_token at userinfo (RFC 9449 §5,
 * §7.1).
 */
export function refuseReplayedProof(ctx: KoaContextWithOIDC | undefined, id: string): void {
  const proof = ctx?.get('DPoP')
  if (!ctx || !proof) return
  const clientId = ctx.oidc.entities.AccessToken?.clientId ?? ctx.oidc.client?.clientId
  const { jti } = claimsOf(proof)
  if (hash('sha256', `${clientId}${String(jti)}`, 'base64url') === id) {
    throw new errors.InvalidDpopProof('DPoP proof was used before')
  }
}
