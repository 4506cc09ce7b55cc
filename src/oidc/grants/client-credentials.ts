/** What the engine leaves out of client_credentials: a token that acts for nobody has no scope about a person (RFC 6749 §4.4). */
import { errors } from 'oidc-provider'

type GrantContext = { oidc: { params: { scope?: unknown } } }

/** Throws InvalidScope when the request names a scope of OpenID Connect: the engine refuses only what the client's own list lacks, if it has one. */
export function refusePersonalScopes(ctx: GrantContext, offeredScopes: readonly string[]): void {
  const { scope } = ctx.oidc.params
  const personal = typeof scope === 'string' && scope.split(' ').find((name) => offeredScopes.includes(name))
  if (personal)
    throw new errors.InvalidScope('requested scope is about a person, and this grant acts for none', personal)
}

/**
 * Throws InvalidScope when `requestedScope` is not empty and the token has none of it: an unknown scope, or one of an API without its `resource`.
 * The answer cannot tell of an empty scope (RFC 6749 §3.3), so a client would take the token for what it asked for.
 */
export function refuseEmptyAnswer({ body }: { body?: unknown }, requestedScope: unknown): void {
  if (requestedScope && !(body as { scope?: unknown } | undefined)?.scope) {
    throw new errors.InvalidScope('nothing of the requested scope can be granted', String(requestedScope))
  }
}
