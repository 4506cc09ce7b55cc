/** What a client is: its record, and its metadata in the names of RFC 7591 and OpenID Connect Dynamic Registration. */

export const clientKinds = ['web', 'spa', 'native', 'machine'] as const
export type ClientKind = (typeof clientKinds)[number]

/** RFC 7591 §2 and OpenID Connect Registration §2; always complete: what was left out stands here as the kind's default. */
export type ClientMetadata = Readonly<{
  client_name: string
  redirect_uris: readonly string[]
  post_logout_redirect_uris: readonly string[]
  grant_types: readonly string[]
  response_types: readonly string[]
  token_endpoint_auth_method: string
  /** The whole scope, also the scopes of resource servers; `staticScope` gives the part that the engine may see. */
  scope: string
  id_token_signed_response_alg: string
  application_type: 'web' | 'native'
  client_uri?: string
  policy_uri?: string
  tos_uri?: string
  initiate_login_uri?: string
  contacts?: readonly string[]
  default_max_age?: number
  require_auth_time?: boolean
  default_acr_values?: readonly string[]
  subject_type?: 'public'
  /** Our own: further origins that may call the token endpoint from a browser, besides those of the redirect URIs. */
  allowed_origins?: readonly string[]
  /** `private_key_jwt`: public keys by value or by address, the algorithm, and what an assertion may name as its audience. */
  jwks?: Readonly<{ keys: readonly Readonly<Record<string, unknown>>[] }>
  jwks_uri?: string
  token_endpoint_auth_signing_alg?: string
  /** Our own: `issuer` alone, or `any`: also the token endpoint or the one that is called (RFC 7523 §3, RFC 9126 §2). */
  client_assertion_audience?: 'issuer' | 'any'
  /** OpenID Connect Back-Channel Logout 1.0 §2.2. */
  backchannel_logout_uri?: string
  backchannel_logout_session_required?: boolean
  /** RFC 9126 §6. */
  require_pushed_authorization_requests?: boolean
  /** RFC 9449 §5.2. */
  dpop_bound_access_tokens?: boolean
  /** Our own: the API for which a request without `resource` gets its token (RFC 8707 §2). */
  default_resource?: string
  /** Our own: how many requests a minute it has at the token endpoint, instead of the setting. */
  token_requests_per_minute?: number
}>

export type ClientSecretDigest = Readonly<{ digest: Buffer; expiresAt: number | undefined }>

export type Client = Readonly<{
  clientId: string
  kind: ClientKind
  /** Does not ask for consent. Never a native client. */
  isFirstParty: boolean
  /** False only for confidential clients that cannot send PKCE. */
  requirePkce: boolean
  metadata: ClientMetadata
  /** HMAC-SHA-256 of each secret; two may live while a new one is rolled out. `expiresAt` in ms. */
  secretDigests: readonly ClientSecretDigest[]
  /** For how long a spent refresh token still gives its own client the same successor: 0 to 300. */
  refreshGraceSeconds: number
  /** False: refresh tokens stay the same. A public client's turn all the same, unless bound to a key (RFC 9700 §4.14.2). */
  rotatesRefreshTokens: boolean
  /** How long a refresh token lives unused, and how long its family lives in any case, in seconds; undefined: as the settings say. */
  refreshIdleSeconds: number | undefined
  refreshAbsoluteSeconds: number | undefined
  isDisabled: boolean
  createdAt: number
  updatedAt: number
}>

/** What is set from outside. What is left out takes the kind's default. */
export type ClientInput = {
  clientId?: string
  kind: ClientKind
  isFirstParty?: boolean
  requirePkce?: boolean
  refreshGraceSeconds?: number
  rotatesRefreshTokens?: boolean
  refreshIdleSeconds?: number
  refreshAbsoluteSeconds?: number
  isDisabled?: boolean
  metadata: Readonly<Record<string, unknown>>
  /** At least 32 characters. Left out for a confidential client, Latchkey makes one. */
  secret?: string
}
