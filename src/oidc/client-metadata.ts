/** A client in the engine's form: RFC 7591 metadata with our additions, without the secret. */
import type { ClientMetadata } from 'oidc-provider'
import type { Client } from '../clients/client.ts'
import { keySetPeriod, soundKeys } from './key-sets.ts'

/** The names of our own client properties in the engine's metadata. */
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
 * `staticScope` has only the scopes that the engine knows; `resource-servers.ts` enforces those of
 * APIs. The secret is a placeholder that equals no input: `internals.ts` compares the digests.
 */
export function engineMetadata(client: Client, staticScope: string, nowMs: number): ClientMetadata {
  const usesSecret = client.metadata.token_endpoint_auth_method.startsWith('client_secret_')
  return {
    ...client.metadata,
    client_id: client.clientId,
    // The engine refuses an empty scope, and treats a missing scope as unlimited.
    scope: staticScope === '' ? undefined : staticScope,
    require_pkce: client.requirePkce,
    is_first_party: client.isFirstParty,
    refresh_rotation: client.rotatesRefreshTokens,
    refresh_idle_seconds: client.refreshIdleSeconds,
    refresh_absolute_seconds: client.refreshAbsoluteSeconds,
    // Without this the engine would reuse a cached client with the same metadata and outdated keys.
    ...(client.metadata.jwks_uri !== undefined && { key_set_period: keySetPeriod(nowMs) }),
    // Registration refuses bad keys. Sets that were stored before that check existed are filtered
    // here.
    ...(client.metadata.jwks !== undefined && { jwks: { keys: soundKeys(client.metadata.jwks.keys).keys } }),
    ...(usesSecret && { client_secret: 'kept as a keyed digest only' }),
  } as ClientMetadata
}
