/** What a resource server (an API) is, the one form of its identifier, and which of its scopes a client may ask for. */

export const tokenFormats = ['opaque', 'jwt'] as const
export const signingAlgorithms = ['RS256', 'ES256', 'EdDSA', 'PS256', 'ES384', 'ES512'] as const

export type ApiScope = Readonly<{ name: string; description?: string }>

export type ResourceServer = Readonly<{
  /** An absolute URI without a fragment (RFC 8707 §2), as it was registered: the `aud` of its tokens. */
  identifier: string
  name: string
  scopes: readonly ApiScope[]
  tokenFormat: (typeof tokenFormats)[number]
  tokenLifetimeSeconds: number
  signingAlgorithm: (typeof signingAlgorithms)[number]
  /** Undefined: any client whose scope covers. */
  allowedClientIds: readonly string[] | undefined
  createdAt: number
  updatedAt: number
}>

/** What is set from outside. What is left out takes its default: JWT, 600 seconds, ES256, any client. */
export type ResourceServerInput = {
  identifier: string
  name: string
  scopes: readonly ApiScope[]
  tokenFormat?: ResourceServer['tokenFormat']
  tokenLifetimeSeconds?: number
  signingAlgorithm?: ResourceServer['signingAlgorithm']
  allowedClientIds?: readonly string[]
}

/**
 * `https://api.example` and `https://api.example/` are one API, and so are two spellings that the URL standard reads alike: the key
 * under which a resource server is kept and found. Undefined for what is no absolute URI or has a fragment.
 */
export function identifierKey(identifier: string): string | undefined {
  if (identifier.length > 2000 || identifier.includes('#') || !/^[!-~]+$/.test(identifier)) return undefined
  const url = URL.parse(identifier)
  return url ? url.href.replace(/\/$/, '') : undefined
}

/**
 * The scopes of this resource server that the client may ask for: those its own `scope` covers, if it is let in at all. An empty list
 * means that it may not name this resource.
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
