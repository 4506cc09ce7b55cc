/** Every request limit there is: what is counted, how many, by which algorithm, and why by that one. */
import type { RuntimeSettings } from '../settings/definitions.ts'
import type { AlgorithmName } from './algorithms.ts'

export type Policy = Readonly<{
  algorithm: AlgorithmName
  /** For one identifier within the window. `token`: so many times what a client may ask in a minute; of 0 there is no limit. */
  limit: number | Readonly<{ token: number }>
  /** For one address within the window; ten times `limit` without it. */
  ipLimit?: number
  windowSeconds: number
  /** `typed`: text that a person has typed; its spelling does not make another one of it. */
  identifier: 'typed' | 'exact'
  /** Whether a process takes several at a time, so that a token costs no trip to the store. */
  isLeased?: true
  /** Whether a process allows a twentieth of the limit by itself, so that a key that is rarely used costs no trip to the store. */
  isLocalFirst?: true
  /** Whether no setting changes it. */
  isFixed?: true
}>

const minute = 60
const hour = 3600

/**
 * Token bucket for what programs do: they come in bursts, have no idea of minutes, and a bucket can be handed out in shares.
 * Sliding counter for what people and guessers do often: two numbers, and no second helping at the edge of a window.
 * Sliding log for the few an hour that send email or make accounts: exact, and the wait that is told is the true one.
 */
export const policies = {
  login: { algorithm: 'sliding-counter', limit: 20, windowSeconds: minute, identifier: 'typed' },
  /** Right passwords, at the login and on the account page, by account. */
  proof: {
    algorithm: 'sliding-counter',
    limit: 30,
    windowSeconds: minute,
    identifier: 'typed',
    isLocalFirst: true,
  },
  /** By address: right passwords after the second of an account within a minute. */
  repeated_proof: { algorithm: 'sliding-counter', limit: 3, windowSeconds: minute, identifier: 'exact' },
  register: { algorithm: 'sliding-log', limit: 5, windowSeconds: hour, identifier: 'typed' },
  recovery: { algorithm: 'sliding-log', limit: 3, windowSeconds: hour, identifier: 'typed' },
  /** What an emailed link opens, by its token. */
  link: { algorithm: 'sliding-counter', limit: 20, windowSeconds: minute, identifier: 'exact' },
  /** The buttons of one interaction, which guess nothing: what is typed has counters of its own. */
  interaction: {
    algorithm: 'token-bucket',
    limit: 60,
    windowSeconds: minute,
    identifier: 'exact',
    isLeased: true,
  },
  /** What people change about themselves, by account and by their network. */
  account: { algorithm: 'sliding-counter', limit: 60, windowSeconds: minute, identifier: 'exact' },
  /** By account, once somebody is signed in. */
  authorization: {
    algorithm: 'token-bucket',
    limit: 60,
    windowSeconds: minute,
    identifier: 'exact',
    isLeased: true,
  },
  /** Codes and refreshes, by grant: a web application asks for all of its people. */
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
  /** By client: tokens that it gives back and that no store has, because each leaves a row. */
  unknown_token: {
    algorithm: 'token-bucket',
    limit: 600,
    windowSeconds: minute,
    identifier: 'exact',
    isLeased: true,
  },
  /** By address, until the client is authenticated: an API asks once for each of its own requests. */
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
  /** By address: signing out guesses nothing. */
  logout: { algorithm: 'token-bucket', limit: 60, windowSeconds: minute, identifier: 'exact', isLeased: true },
  /** One wrong secret of one client at one address, so that its repetitions are no guesses. */
  wrong_secret: { algorithm: 'sliding-log', limit: 1, isFixed: true, windowSeconds: minute, identifier: 'exact' },
  /** Failures only: by the client id that was named, and by that id at one address. */
  client_authentication: { algorithm: 'sliding-counter', limit: 20, windowSeconds: minute, identifier: 'exact' },
} as const satisfies Readonly<Record<string, Policy>>

export type PolicyName = keyof typeof policies
export const policyNames = Object.keys(policies) as PolicyName[]

/** An office, a school or a carrier shares one address. */
const ipFactor = 10

export type LimitSettings = Pick<RuntimeSettings, 'rateLimitPercent' | 'tokenRequestsPerMinute'>

/**
 * How many the policy allows within its window, at least one; Infinity where the number of a client is 0.
 * `ownTokenLimit`: what this client has instead of the setting.
 */
export function limitOf(
  name: PolicyName,
  by: 'identifier' | 'address',
  { rateLimitPercent, tokenRequestsPerMinute }: LimitSettings,
  ownTokenLimit: number = tokenRequestsPerMinute,
): number {
  const { limit, ipLimit, isFixed }: Policy = policies[name]
  const one = typeof limit === 'number' ? limit : limit.token * ownTokenLimit
  if (by === 'identifier' && one === 0) return Number.POSITIVE_INFINITY
  const most = by === 'identifier' ? one : (ipLimit ?? one * ipFactor)
  return isFixed ? most : Math.max(1, Math.round((most * rateLimitPercent) / 100))
}
