/** How and when the person of an access token signed in: in JWTs (RFC 9068 §2.2.1), and at introspection (RFC 9470 §6.2). */
import type { KoaContextWithOIDC } from 'oidc-provider'

/** What is read of the engine's models. */
type Source = { acr?: string; amr?: string[]; authTime?: number }

/** The engine's `extraTokenClaims`: nothing for a client that speaks for itself. */
export function authenticationClaims(ctx: KoaContextWithOIDC, token: object): Record<string, unknown> | undefined {
  if (!('accountId' in token) || token.accountId === undefined) return undefined
  const { RefreshToken, AuthorizationCode, DeviceCode } = ctx.oidc.entities as Record<string, Source | undefined>
  const { authTime, acr, amr } = RefreshToken ?? AuthorizationCode ?? DeviceCode ?? {}
  return {
    ...(authTime !== undefined && { auth_time: authTime }),
    ...(acr !== undefined && { acr }),
    ...(amr !== undefined && { amr }),
  }
}
