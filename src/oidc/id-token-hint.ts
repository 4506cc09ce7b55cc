/** An `id_token_hint` that was ours and whose key is gone: it proves nothing any more, and it is no error either (RP-Initiated Logout 1.0 §2). */
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
 * Whether `jwt` may be looked at as an ID token at all (RFC 8725 §3): signed, under an algorithm of ours, without a key of its own or anything
 * critical in its header, and not of another type: a logout token or an access token is signed by the same keys.
 */
export function isPlainIdToken(jwt: string): boolean {
  if (headerProblem(jwt, { algorithms })) return false
  const { typ } = decodeProtectedHeader(jwt)
  return typ === undefined || typ.toUpperCase() === 'JWT'
}

/** What `jwt` says, when it has the form of an ID token of ours; nothing is verified. */
function readHint(jwt: string, issuer: string): Hint | undefined {
  if (!isPlainIdToken(jwt)) return undefined
  try {
    const hint = { header: decodeProtectedHeader(jwt), payload: decodeJwt(jwt) }
    return hint.payload.iss === issuer && typeof hint.header.kid === 'string' ? hint : undefined
  } catch {
    return undefined
  }
}

export function createHints({ issuer, keyRing, clients }: Deps) {
  /** Whether nobody can tell any more: the key is not published, or the client has chosen another algorithm since. */
  const isUnprovable = ({ header: { kid, alg } }: Hint, clientAlgorithm: string | undefined): boolean =>
    !keyRing.current().publicJwks.some((jwk) => jwk.kid === kid) ||
    (clientAlgorithm !== undefined && alg !== clientAlgorithm)

  return {
    /**
     * For the authorization endpoint. The hint as it stands: it only ever narrows, to the person that it names, so that believing it lets
     * nobody in. Whoever is signed in as another one is asked to sign in, and with `prompt=none` it is login_required (OpenID Connect Core
     * 1.0 §3.1.2.1). Undefined when its signature can be checked, or it is not this client's.
     */
    unproven: ((jwt, { clientId, idTokenSignedResponseAlg }) => {
      const hint = readHint(jwt, issuer)
      if (hint?.payload.aud !== clientId || typeof hint.payload.sub !== 'string') return undefined
      return isUnprovable(hint, idTokenSignedResponseAlg) ? hint : undefined
    }) satisfies UnprovenHint as UnprovenHint,

    /**
     * Middleware inside the engine's chain, for logout: without the hint, which would be the error 400, but with the client that it names.
     * The person is asked, and the way back is checked as ever.
     */
    around: (ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> =>
      ctx.path === routes.end_session && typeof ctx.query.id_token_hint === 'string' ? atLogout(ctx, next) : next(),
  }

  async function atLogout(ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> {
    const { id_token_hint: jwt, ...others } = ctx.query
    const hint = readHint(String(jwt), issuer)
    const audience = hint?.payload.aud
    const client = typeof audience === 'string' ? await clients.findById(audience) : undefined
    // Another client than the one named beside it is an error, as with every hint.
    const isContradicted = others.client_id !== undefined && others.client_id !== audience
    if (hint && !isContradicted && isUnprovable(hint, client?.metadata.id_token_signed_response_alg)) {
      ctx.query = { ...others, ...(client && !client.isDisabled && { client_id: client.clientId }) }
    }
    await next()
  }
}
