/**
 * An `id_token_hint` from this server whose key was removed: it proves nothing, but it is no error
 * either (RP-Initiated Logout 1.0 §2).
 */
import { decodeJwt, decodeProtectedHeader } from 'jose'
import type { KoaContextWithOIDC } from 'oidc-provider'
import { algorithms } from '../../keys/algorithms.ts'
import type { KeyRing } from '../../keys/key-ring.ts'
import type { Client } from '../clients/client.ts'
import { routes } from './endpoints.ts'
import { headerProblem } from './jwt-header.ts'

type Deps = {
  issuer: string
  keyRing: Pick<KeyRing, 'current'>
  clients: { findById: (clientId: string) => Promise<Client | undefined> }
}

type Hint = { header: { alg?: string; kid?: string }; payload: { iss?: string; sub?: string; aud?: string | string[] } }

export type UnprovenHint = (
  jwt: string,
  client: { clientId: string; idTokenSignedResponseAlg?: string },
) => Hint | undefined

/**
 * Whether `jwt` may be read as an ID token (RFC 8725 §3): signed with one of our algorithms,
 * without an embedded key or critical extension. The same keys sign logout and access tokens, so
 * `typ` is checked.
 */
export function isPlainIdToken(jwt: string): boolean {
  if (headerProblem(jwt, { algorithms })) return false
  const { typ } = decodeProtectedHeader(jwt)
  return typ === undefined || typ.toUpperCase() === 'JWT'
}

/** The content of `jwt` when it has the form of our ID tokens. Nothing is verified. */
function readHint(jwt: string, issuer: string): Hint | undefined {
  if (!isPlainIdToken(jwt)) return undefined
  try {
    const hint = { header: decodeProtectedHeader(jwt), payload: decodeJwt(jwt) }
    return hint.payload.iss === issuer && typeof hint.header.kid === 'string' ? hint : undefined
  } catch {
    // Not a JWT: the caller treats it as no hint.
    return undefined
  }
}

export function createHints({ issuer, keyRing, clients }: Deps) {
  /**
   * Whether the hint cannot be verified: its key is not published, or the client uses another
   * algorithm now.
   */
  const isUnprovable = ({ header: { kid, alg } }: Hint, clientAlgorithm: string | undefined): boolean =>
    !keyRing.current().publicJwks.some((jwk) => jwk.kid === kid) ||
    (clientAlgorithm !== undefined && alg !== clientAlgorithm)

  return {
    /**
     * For the authorization endpoint: gives an unverifiable hint unchanged. It is safe, because a
     * hint only restricts the request to one user; another user must sign in, or gets
     * login_required with `prompt=none` (OpenID Connect Core 1.0 §3.1.2.1).
     * Gives undefined when the signature can be checked or the hint is for another client.
     */
    unproven: ((jwt, { clientId, idTokenSignedResponseAlg }) => {
      const hint = readHint(jwt, issuer)
      if (hint?.payload.aud !== clientId || typeof hint.payload.sub !== 'string') return undefined
      return isUnprovable(hint, idTokenSignedResponseAlg) ? hint : undefined
    }) satisfies UnprovenHint as UnprovenHint,

    /**
     * Middleware inside the engine's chain, for logout: replaces an unverifiable hint, which would
     * be error 400, by the client that it names. The user must confirm, and the redirect URI is
     * checked.
     */
    around: (ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> =>
      ctx.path === routes.end_session && typeof ctx.query.id_token_hint === 'string' ? atLogout(ctx, next) : next(),
  }

  async function atLogout(ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> {
    const { id_token_hint: jwt, ...others } = ctx.query
    const hint = readHint(String(jwt), issuer)
    const audience = hint?.payload.aud
    const client = typeof audience === 'string' ? await clients.findById(audience) : undefined
    // As with every hint, it is an error when `client_id` names another client.
    const isContradicted = others.client_id !== undefined && others.client_id !== audience
    if (hint && !isContradicted && isUnprovable(hint, client?.metadata.id_token_signed_response_alg)) {
      ctx.query = { ...others, ...(client && !client.isDisabled && { client_id: client.clientId }) }
    }
    await next()
  }
}
