/** A client as the engine wants it: RFC 7591 metadata with our additions, and no secret. */
import type { ClientMetadata } from 'oidc-provider'
import type { Client } from '../clients/client.ts'
import { keySetPeriod, soundKeys } from './key-sets.ts'

/** The names under which our own client properties travel through the engine. */
export const ownProperties: readonly string[] = [
  'require_pkce',
  'is_first_party',
  'allowed_origins',
  'default_resource',
  'client_assertion_audience',
  'key_set_period',
  'refresh_rotation',
  'refresh_idle_seconds',
  'refresh_absolute_seconds',
  'token_requests_per_minute',
]

/**
 * `staticScope` is the part of the client's scope that the engine knows: it refuses the scopes of APIs, which `resource-servers.ts`
 * enforces. The secret is a placeholder that nothing equals: `internals.ts` compares with the digests.
 */
export function engineMetadata(client: Client, staticScope: string, nowMs: number): ClientMetadata {
  const usesSecret = client.metadata.token_endpoint_auth_method.startsWith('client_secret_')
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
    // Otherwise the engine finds the client that it has made of the same metadata before, with the keys of then.
    ...(client.metadata.jwks_uri !== undefined && { key_set_period: keySetPeriod(nowMs) }),
    // Registration refuses bad keys. A set that was kept before it did is filtered here.
    ...(client.metadata.jwks !== undefined && { jwks: { keys: soundKeys(client.metadata.jwks.keys).keys } }),
    ...(usesSecret && { client_secret: 'kept as a keyed digest only' }),
  } as ClientMetadata
}
