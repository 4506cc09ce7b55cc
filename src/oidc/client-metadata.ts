/** A client as the engine wants it: RFC 7591 metadata with our additions, and no secret. */
import type { ClientMetadata } from 'oidc-provider'
import type { Client } from '../clients/client.ts'

/** The names under which our own client properties travel through the engine. */
export const ownProperties: readonly string[] = [
  'require_pkce',
  'is_first_party',
  'allowed_origins',
  'default_resource',
  'refresh_rotation',
  'refresh_idle_seconds',
  'refresh_absolute_seconds',
]

/**
 * `staticScope` is the part of the client's scope that the engine knows: it refuses the scopes of APIs, which `resource-servers.ts`
 * enforces. The secret is a placeholder that nothing equals: `internals.ts` compares with the digests.
 */
export function engineMetadata(client: Client, staticScope: string): ClientMetadata {
  const isPublic = client.metadata.token_endpoint_auth_method === 'none'
  return {
    ...client.metadata,
    client_id: client.clientId,
    // The engine refuses an empty scope, and takes a missing one for no limit.
    scope: staticScope === '' ? undefined : staticScope,
    require_pkce: client.requirePkce,
    is_first_party: client.isFirstParty,
    refresh_rotation: client.rotatesRefreshTokens,
    refresh_idle_seconds: client.refreshIdleSeconds,
    refresh_absolute_seconds: client.refreshAbsoluteSeconds,
    ...(isPublic ? {} : { client_secret: 'kept as a keyed digest only' }),
  } as unknown as ClientMetadata
}
