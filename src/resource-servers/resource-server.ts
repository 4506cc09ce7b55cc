/**
 * A resource server (an API): its record, its normalised identifier, and the scopes that a client
 * may request.
 */

export const tokenFormats = ['opaque', 'jwt'] as const
export const signingAlgorithms = ['RS256', 'ES256', 'EdDSA', 'PS256', 'ES384', 'ES512'] as const
/**
 * In seconds. With offline verification, a revoked token stays valid until its expiry, so an hour
 * is the maximum.
 */
export const tokenLifetime = { min: 300, max: 3600, default: 600 } as const

export type ApiScope = Readonly<{ name: string; description?: string }>

export type ResourceServer = Readonly<{
  /** An absolute URI without a fragment (RFC 8707 §2), as registered: the `aud` of its tokens. */
  identifier: string
  name: string
  scopes: readonly ApiScope[]
  tokenFormat: (typeof tokenFormats)[number]
  tokenLifetimeSeconds: number
  signingAlgorithm: (typeof signingAlgorithms)[number]
  /** Undefined: any client with a matching scope. */
  allowedClientIds: readonly string[] | undefined
  /**
   * Clients that may introspect its tokens, in addition to the client of the token (RFC 7662 §4).
   */
  introspectionClientIds: readonly string[]
  createdAt: number
  updatedAt: number
}>

/** Values set from outside. Defaults: JWT, 600 seconds, ES256, any client, no introspection. */
export type ResourceServerInput = {
  identifier: string
  name: string
  scopes: readonly ApiScope[]
  tokenFormat?: ResourceServer['tokenFormat']
  tokenLifetimeSeconds?: number
  signingAlgorithm?: ResourceServer['signingAlgorithm']
  allowedClientIds?: readonly string[]
  introspectionClientIds?: readonly string[]
}

/**
 * The lookup key: URIs that are the same URL, with or without the last slash, are one API.
 * Undefined for an invalid URI or one with a fragment.
 */
export function identifierKey(identifier: string): string | undefined {
  if (identifier.length > 2000 || identifier.includes('#') || !/^[!-~]+$/.test(identifier)) return undefined
  const url = URL.parse(identifier)
  return url ? url.href.replace(/\/$/, '') : undefined
}

/**
 * The scopes of this resource server that the client may request: those in its own `scope`, if it
 * is allowed. An empty list means that it may not request this resource.
 */
export function entitledScopes(
  client: Readonly<{ clientId: string; isDisabled: boolean; metadata: Readonly<{ scope: string }> }>,
  resourceServer: Pick<ResourceServer, 'scopes' | 'allowedClientIds'>,
): readonly string[] {
  const { allowedClientIds, scopes } = resourceServer
  if (client.isDisabled || (allowedClientIds && !allowedClientIds.includes(client.clientId))) return []
  const own = new Set(client.metadata.scope.split(' '))
  return scopes.map(({ name }) => name).filter((name) => own.has(name))
}
