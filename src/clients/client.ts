/** A client's record, and its metadata as in RFC 7591 and OpenID Connect Dynamic Registration. */

export const clientKinds = ['web', 'spa', 'native', 'machine'] as const
export type ClientKind = (typeof clientKinds)[number]

/**
 * RFC 7591 §2, OpenID Connect Registration §2. Complete: omitted values have the kind's default.
 */
export type ClientMetadata = Readonly<{
  client_name: string
  redirect_uris: readonly string[]
  post_logout_redirect_uris: readonly string[]
  grant_types: readonly string[]
  response_types: readonly string[]
  token_endpoint_auth_method: string
  /** The whole scope, including resource servers' scopes. The engine gets `staticScope`. */
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
  /** Latchkey's own: additional origins that may call the token endpoint from a browser. */
  allowed_origins?: readonly string[]
  /**
   * `private_key_jwt`: public keys by value or by URL, the algorithm, and the allowed audiences of
   * an assertion.
   */
  jwks?: Readonly<{ keys: readonly Readonly<Record<string, unknown>>[] }>
  jwks_uri?: string
  token_endpoint_auth_signing_alg?: string
  /**
   * Latchkey's own: `issuer`, or `any` for also the token endpoint or the called one (RFC 7523 §3,
   * RFC 9126 §2).
   */
  client_assertion_audience?: 'issuer' | 'any'
  /** OpenID Connect Back-Channel Logout 1.0 §2.2. */
  backchannel_logout_uri?: string
  backchannel_logout_session_required?: boolean
  /** RFC 9126 §6. */
  require_pushed_authorization_requests?: boolean
  /** RFC 9449 §5.2. */
  dpop_bound_access_tokens?: boolean
  /** Latchkey's own: the API for requests without `resource` (RFC 8707 §2). */
  default_resource?: string
  /** Latchkey's own: requests a minute at the token endpoint, instead of the setting. */
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
  /** HMAC-SHA-256 of each secret. Two are valid during a rotation. `expiresAt` in ms. */
  secretDigests: readonly ClientSecretDigest[]
  /** For this time a spent refresh token returns the same successor to its client: 0 to 300. */
  refreshGraceSeconds: number
  /** False: no rotation, except for a public client without a bound key (RFC 9700 §4.14.2). */
  rotatesRefreshTokens: boolean
  /**
   * Maximum idle time of a refresh token and age of its family, in seconds. Undefined: the
   * settings.
   */
  refreshIdleSeconds: number | undefined
  refreshAbsoluteSeconds: number | undefined
  isDisabled: boolean
  createdAt: number
  updatedAt: number
}>

/** Values set from outside. Omitted ones get the kind's default. */
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
  /** At least 32 characters. If omitted for a confidential client, Latchkey generates one. */
  secret?: string
}
