/** The authorization code grant (RFC 6749 §4.1). */
import { errors } from 'oidc-provider'
import type { Grant, GrantRequest } from './grant.ts'

/** Throws InvalidGrant when the redirect URI is no longer registered. The code is not spent. */
function refuseRemovedRedirect({ ctx }: GrantRequest): void {
  const { client, params } = ctx.oidc
  const uri = params.redirect_uri
  if (typeof uri === 'string' && !client.redirectUriAllowed(uri)) {
    throw new errors.InvalidGrant('redirect_uri is not registered any more')
  }
}

export const authorizationCode: Grant = {
  type: 'authorization_code',
  handler: { features: {} },
  spends: { model: 'AuthorizationCode', parameter: 'code' },
  limit: { policy: 'token', by: 'grant' },
  before: refuseRemovedRedirect,
  after: 'nothing',
}
