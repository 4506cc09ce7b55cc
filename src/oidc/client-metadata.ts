/** A client as the engine wants it: RFC 7591 metadata with our additions, and no secret. */
import type { ClientMetadata } from 'oidc-provider'
import type { Client } from '../clients/service.ts'
import { scopes as offeredScopes } from './claims.ts'

/** The names under which our own client properties travel through the engine. */
export const ownProperties = ['require_pkce', 'latchkey_kind', 'is_first_party'] as const

/**
 * The engine refuses scopes that it does not know, so it gets the static part; API scopes are enforced in
 * `resource-servers.ts`. The secret is a placeholder that nothing equals: `internals.ts` compares with the digests.
 */
export function engineMetadata(client: Client): ClientMetadata {
  const { scope, ...metadata } = client.metadata
  const known = new Set<string>(offeredScopes)
  const isPublic = metadata.token_endpoint_auth_method === 'none'
  return {
    ...metadata,
    client_id: client.clientId,
    application_type: client.kind === 'native' ? 'native' : 'web',
    response_modes: ['query', 'form_post'],
    scope: (scope ?? '')
      .split(' ')
      .filter((name) => known.has(name))
      .join(' '),
    require_pkce: client.requirePkce,
    latchkey_kind: client.kind,
    is_first_party: client.isFirstParty,
    ...(isPublic ? {} : { client_secret: 'kept as a keyed digest only' }),
  } as ClientMetadata
}
