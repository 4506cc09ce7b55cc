/** The client credentials grant (RFC 6749 §4.4): its token is not issued for a user. */
import { errors } from 'oidc-provider'
import type { CheckDeps, Grant, GrantRequest } from './grant.ts'

/**
 * Throws InvalidScope for a scope about a user. The engine refuses only scopes the client lacks.
 */
function refusePersonalScopes({ requestedScope }: GrantRequest, { offeredScopes }: CheckDeps): void {
  const personal = requestedScope?.split(' ').find((name) => offeredScopes.includes(name))
  if (personal)
    throw new errors.InvalidScope('requested scope is about a person, and this grant acts for none', personal)
}

/**
 * Throws InvalidScope when no requested scope is granted. An answer without `scope` would mean that
 * all of it is granted (RFC 6749 §5.1), and an empty one is not allowed (§3.3).
 */
function refuseEmptyAnswer({ ctx, requestedScope }: GrantRequest): void {
  if (requestedScope && !(ctx.body as { scope?: unknown } | undefined)?.scope) {
    throw new errors.InvalidScope('nothing of the requested scope can be granted', requestedScope)
  }
}

export const clientCredentials: Grant = {
  type: 'client_credentials',
  handler: { features: { clientCredentials: { enabled: true } } },
  spends: { none: 'the client authenticates, and that is all' },
  limit: { policy: 'client_credentials', by: 'client' },
  before: refusePersonalScopes,
  after: refuseEmptyAnswer,
}
