/** All rate limits of requests: what is counted, the limit, and the algorithm with its reason. */
import type { RuntimeSettings } from '../settings/definitions.ts'
import type { AlgorithmName } from './algorithms.ts'

export type Policy = Readonly<{
  algorithm: AlgorithmName
  /**
   * For one identifier within the window. `token` multiplies a client's requests a minute (0: no
   * limit).
   */
  limit: number | Readonly<{ token: number }>
  /** For one IP address within the window. The default is ten times `limit`. */
  ipLimit?: number
  windowSeconds: number
  /** `typed`: text typed by a user, normalised before counting. */
  identifier: 'typed' | 'exact'
  /** Whether a process leases several tokens at once, to save store requests. */
  isLeased?: true
  /**
   * Whether a process grants a twentieth of the limit without the store, so that rarely used keys
   * need no store request.
   */
  isLocalFirst?: true
  /** Whether settings cannot change it. */
  isFixed?: true
}>

const minute = 60
const hour = 3600

/**
 * Token bucket for programs: allows bursts, and can be leased.
 * Sliding counter for frequent requests of users: two numbers, no double limit at a window's edge.
 * Sliding log for a few an hour (emails, accounts): exact, with an exact retry time.
 */
export const policies = {
  login: { algorithm: 'sliding-counter', limit: 20, windowSeconds: minute, identifier: 'typed' },
  /** Right passwords at the login and on the account page, by account. */
  proof: {
    algorithm: 'sliding-counter',
    limit: 30,
    windowSeconds: minute,
    identifier: 'typed',
    isLocalFirst: true,
  },
  /** By IP address: right passwords of one account, from the third within a minute. */
  repeated_proof: { algorithm: 'sliding-counter', limit: 3, windowSeconds: minute, identifier: 'exact' },
  register: { algorithm: 'sliding-log', limit: 5, windowSeconds: hour, identifier: 'typed' },
  recovery: { algorithm: 'sliding-log', limit: 3, windowSeconds: hour, identifier: 'typed' },
  /** The page of an emailed link, by its token. */
  link: { algorithm: 'sliding-counter', limit: 20, windowSeconds: minute, identifier: 'exact' },
  /** The buttons of one interaction. They guess nothing; typed input has its own counters. */
  interaction: {
    algorithm: 'token-bucket',
    limit: 60,
    windowSeconds: minute,
    identifier: 'exact',
    isLeased: true,
  },
  /** Changes of a user's own account, by account and by network. */
  account: { algorithm: 'sliding-counter', limit: 60, windowSeconds: minute, identifier: 'exact' },
  /** By account, after the sign-in. */
  authorization: {
    algorithm: 'token-bucket',
    limit: 60,
    windowSeconds: minute,
    identifier: 'exact',
    isLeased: true,
  },
  /** Codes and refreshes, by grant, because a web application sends them for all its users. */
  token: {
    algorithm: 'token-bucket',
    limit: 60,
    ipLimit: 3000,
    windowSeconds: minute,
    identifier: 'exact',
    isLeased: true,
    isLocalFirst: true,
  },
  /** By authenticated client. */
  client_credentials: {
    algorithm: 'token-bucket',
    limit: { token: 1 },
    windowSeconds: minute,
    identifier: 'exact',
    isLeased: true,
  },
  pushed_request: {
    algorithm: 'token-bucket',
    limit: { token: 1 },
    ipLimit: 3000,
    windowSeconds: minute,
    identifier: 'exact',
    isLeased: true,
  },
  revocation: {
    algorithm: 'token-bucket',
    limit: { token: 1 },
    ipLimit: 3000,
    windowSeconds: minute,
    identifier: 'exact',
    isLeased: true,
  },
  /** By client: presented tokens that the store does not have, because each leaves a row. */
  unknown_token: {
    algorithm: 'token-bucket',
    limit: 600,
    windowSeconds: minute,
    identifier: 'exact',
    isLeased: true,
  },
  /** By IP address until the client is authenticated. An API sends one for each of its requests. */
  introspection: {
    algorithm: 'token-bucket',
    limit: 6000,
    windowSeconds: minute,
    identifier: 'exact',
    isLeased: true,
  },
  /** By grant. */
  userinfo: {
    algorithm: 'token-bucket',
    limit: 300,
    windowSeconds: minute,
    identifier: 'exact',
    isLeased: true,
  },
  /** By IP address, because signing out guesses nothing. */
  logout: { algorithm: 'token-bucket', limit: 60, windowSeconds: minute, identifier: 'exact', isLeased: true },
  /** One wrong secret of one client at one IP address, so that repetitions do not count. */
  wrong_secret: { algorithm: 'sliding-log', limit: 1, isFixed: true, windowSeconds: minute, identifier: 'exact' },
  /** Only failures: by the given client id, and by that id at one IP address. */
  client_authentication: { algorithm: 'sliding-counter', limit: 20, windowSeconds: minute, identifier: 'exact' },
} as const satisfies Readonly<Record<string, Policy>>

export type PolicyName = keyof typeof policies
export const policyNames = Object.keys(policies) as PolicyName[]

/** An office, a school or a carrier shares one IP address. */
const ipFactor = 10

export type LimitSettings = Pick<RuntimeSettings, 'rateLimitPercent' | 'tokenRequestsPerMinute'>

/**
 * The policy's limit within its window: at least one, or Infinity when a client's number is 0.
 * `ownTokenLimit` replaces the setting for this client.
 */
export function limitOf(
  name: PolicyName,
  by: 'identifier' | 'address',
  { rateLimitPercent, tokenRequestsPerMinute }: LimitSettings,
  ownTokenLimit: number = tokenRequestsPerMinute,
): number {
  const { limit, ipLimit, isFixed }: Policy = policies[name]
  const ofIdentifier = typeof limit === 'number' ? limit : limit.token * ownTokenLimit
  if (by === 'identifier' && ofIdentifier === 0) return Number.POSITIVE_INFINITY
  const limitAtFullRate = by === 'identifier' ? ofIdentifier : (ipLimit ?? ofIdentifier * ipFactor)
  return isFixed ? limitAtFullRate : Math.max(1, Math.round((limitAtFullRate * rateLimitPercent) / 100))
}
