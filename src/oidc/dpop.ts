/** DPoP proofs (RFC 9449 §4.3): what the engine leaves open or does otherwise. */
import { hash } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import type { KoaContextWithOIDC } from 'oidc-provider'
import { errors } from 'oidc-provider'
import { publicKeyProblem } from '../public-keys.ts'
import { headerProblem } from './jwt-header.ts'

export const dpopAlgorithms = ['ES256', 'EdDSA', 'Ed25519', 'ES384', 'RS256', 'PS256'] as const

/** How far `iat` may be from our clock without a nonce (60 s; the engine takes five minutes). */
const freshSeconds = 60

type Claims = { iat?: unknown; jti?: unknown }

function claimsOf(proof: string): Claims {
  try {
    return decodeJwt(proof) as Claims
  } catch {
    return {}
  }
}

/**
 * The engine's `requireNonce`, asked before it checks the proof: an older or younger one than `freshSeconds` needs a nonce of this server
 * (§8, §11.1), a fresh one may do without. Throws InvalidDpopProof for a header that says more than a proof's may, and for a key that is weak.
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
 * Throws InvalidDpopProof when the id that was found in the replay store is that of this request's proof: the engine would call a replayed proof
 * an invalid grant, and at userinfo an invalid token (RFC 9449 §5, §7.1). Anything else is the client assertion's.
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
