/** The properties of each model of artifacts, and their shape in reads and writes. */

/** Everything the engine stores, and parked requests of browsers. Clients have their own table. */
export const modelNames = [
  'Session',
  'Grant',
  'AuthorizationCode',
  'RefreshToken',
  'AccessToken',
  'ClientCredentials',
  'Interaction',
  'DeviceCode',
  'BackchannelAuthenticationRequest',
  'PreAuthorizedCode',
  'PushedAuthorizationRequest',
  'ReplayDetection',
  'InitialAccessToken',
  'RegistrationAccessToken',
  'ParkedRequest',
] as const
export type ModelName = (typeof modelNames)[number]

export type Model = {
  /** Its number in the table `artifact`: never reused for another model. */
  number: number
  /** `redis`: in Redis if it is configured, otherwise in Postgres. */
  home: 'postgres' | 'redis'
  /**
   * How it may be spent: `source` once, exchanged for tokens in a grant handler (RFC 6749 §4.1.2);
   * `request` once, anywhere (RFC 9126 §7.3); `proof` once, when it is first seen (RFC 9449 §11.1).
   * Absent: it is not spent.
   */
  spentAs?: 'source' | 'request' | 'proof'
  /**
   * A bearer token. When one in Redis is destroyed, Postgres also stores a denial, in case Redis
   * restores old data.
   */
  isDenied?: true
}

export type Models = Readonly<Record<ModelName, Model>>

/** The data of one client in the engine's session. */
export type SessionClient = { sid?: string; grantId?: string; [field: string]: unknown }

/** An artifact from the engine, with the fields that the store reads. */
export type Payload = {
  [field: string]: unknown
  exp?: number
  grantId?: string
  accountId?: string
  clientId?: string
  sessionUid?: string
  scope?: string
  uid?: string
  authorizations?: Record<string, SessionClient>
  userCode?: string
  jkt?: string
  consumed?: unknown
  /** Our own field of sessions and refresh tokens: the last save, in seconds since the epoch. */
  usedAt?: number
}

/** An artifact that was read. Times are milliseconds since the epoch. */
export type StoredArtifact = {
  id: Buffer
  /** Sealed in Postgres; values from Redis are already unsealed. */
  content: { sealed: Buffer } | { text: string }
  grantKey?: Buffer
  consumedAt?: number
  successor?: Buffer
  expiresAt?: number
  /** For a browser session: the generation of the account at sign-in. */
  generation?: number
}

/** An artifact to be written. Times are milliseconds since the epoch. */
export type Upsert = {
  id: Buffer
  model: ModelName
  home: 'postgres' | 'redis'
  text: string
  grantKey?: Buffer
  uid?: Buffer
  userCode?: Buffer
  accountId?: string
  clientId?: string
  sessionUid?: Buffer
  issuedAt: number
  expiresAt?: number
  generation?: number
}
