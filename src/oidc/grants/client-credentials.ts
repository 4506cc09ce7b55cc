/** The client credentials grant (RFC 6749 §4.4): its token acts for no person. */
import { errors } from 'oidc-provider'
import type { CheckDeps, Grant, GrantRequest } from './grant.ts'

/** Throws InvalidScope for a scope about a person. The engine refuses only what a client lacks. */
function refusePersonalScopes({ requestedScope }: GrantRequest, { offeredScopes }: CheckDeps): void {
  const personal = requestedScope?.split(' ').find((name) => offeredScopes.includes(name))
  if (personal)
    throw new errors.InvalidScope('requested scope is about a person, and this grant acts for none', personal)
}

/**
 * Throws InvalidScope when none of the requested scope is granted. An answer without `scope` would
 * mean that all of it is (RFC 6749 §5.1), because an empty one cannot be sent (§3.3).
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
