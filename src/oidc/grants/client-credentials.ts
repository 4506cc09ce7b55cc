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
