/** What the store knows about a kind of artifact, and the shape of one as it is read and written. */

/** Everything the engine stores but clients, which have a table of their own; and requests that are parked until the browser comes back. */
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
  /** `redis`: in Redis when there is one, else in Postgres. */
  home: 'postgres' | 'redis'
  /**
   * How often it may be spent: `source` once, for tokens, inside a grant handler (RFC 6749 §4.1.2); `request` once, anywhere (RFC 9126
   * §7.3); `proof` once, by being seen (RFC 9449 §11.1). Absent: it is not spent.
   */
  spentAs?: 'source' | 'request' | 'proof'
  /** A token that opens something by itself: destroying one in Redis is also a denial in Postgres, which a Redis that returns with old data cannot undo. */
  isDenied?: true
}

export type Models = Readonly<Record<ModelName, Model>>

/** What the engine's session says of one client. */
export type SessionClient = { sid?: string; grantId?: string; [field: string]: unknown }

/** An artifact as the engine hands it over; the store reads these of its fields. */
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
  /** Ours, of sessions and refresh tokens: when it was last saved, in seconds since the epoch. */
  usedAt?: number
}

/** An artifact as it was found. Times are milliseconds since the epoch. */
export type StoredArtifact = {
  id: Buffer
  /** As it lies in Postgres; what Redis holds comes opened. */
  content: { sealed: Buffer } | { text: string }
  grantKey?: Buffer
  consumedAt?: number
  successor?: Buffer
  expiresAt?: number
  /** Of a browser session: the account's when somebody signed in. */
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
