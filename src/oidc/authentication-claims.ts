/**
 * How and when the user signed in: in JWT access tokens (RFC 9068 §2.2.1) and at introspection (RFC
 * 9470 §6.2).
 */
import type { KoaContextWithOIDC } from 'oidc-provider'

/** The fields that are read from the engine's models. */
type Source = { acr?: string; amr?: string[]; authTime?: number }

/** The engine's `extraTokenClaims`. Gives undefined for a token without an account. */
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
