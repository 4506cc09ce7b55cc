/**
 * The type of the configuration. `read.ts` reads it from the environment and reports every problem;
 * `settings/` has what changes at run time.
 */
import type { Algorithm } from '../../keys/algorithms.ts'
import type { KeyTimes } from '../../keys/states.ts'
import type { LogLevel } from '../log.ts'
import type { BreachCheck } from './breach-check.ts'
import type { SmtpServer } from './email.ts'

export const environments = ['development', 'test', 'production'] as const
export type Environment = (typeof environments)[number]

/**
 * `protocol` has its colon; `hostname` as in the URL standard. `port`: undefined allows every port,
 * empty is the default port of the protocol.
 */
export type AllowedOrigin = Readonly<{ protocol: string; hostname: string; port: string | undefined }>

export type Config = Readonly<{
  environment: Environment
  /** The issuer identifier (RFC 8414 §2), without a trailing slash. */
  issuer: string
  listen: Readonly<{ host: string; port: number }>
  /** Absolute path of the folder for the embedded database and the development master key. */
  dataFolder: string
  database: Readonly<{
    /** Undefined: the embedded database in `dataFolder`. */
    url: string | undefined
    /** Bypasses a pooler, for LISTEN, migrations and locks that outlive a transaction. */
    directUrl: string | undefined
    poolSize: number
    migrateAtStart: boolean
  }>
  /**
   * redis:// or rediss://; for a cluster redis+cluster:// or rediss+cluster:// with a
   * comma-separated list of hosts.
   */
  redisUrl: string | undefined
  /** 32 bytes. */
  masterKey: Buffer
  /** The previous master key, while values that it sealed are sealed again. */
  previousMasterKey: Buffer | undefined
  signingKeys: Readonly<{
    /** The offered algorithms, in the order of the JWKS. RS256 is always included. */
    algorithms: readonly Algorithm[]
    times: KeyTimes
    /**
     * The minimum announcement of a new key, in milliseconds, even on request: a cached JWKS may
     * not contain it yet.
     */
    minAnnouncedMs: number
    jwksCacheSeconds: number
  }>
  /** IP addresses and CIDR ranges whose forwarded headers are trusted; empty: none. */
  trustProxy: readonly string[]
  /**
   * Origins that outbound requests may reach although they are not https on the public internet.
   */
  outboundAllow: readonly AllowedOrigin[]
  /** Requires pushed authorization requests (RFC 9126 §5). */
  requirePushedRequests: boolean
  /**
   * How long requests are accepted after a signal, while `/health/ready` tells load balancers to
   * use other servers.
   */
  shutdownDelaySeconds: number
  /** The number of server processes that share the cores of this machine. */
  serverProcesses: number
  passwordHash: Readonly<{
    memoryKiB: number
    iterations: number
    parallelism: number
    /** Undefined: the machine's cores divided by `serverProcesses`. */
    slots: number | undefined
    queue: number
  }>
  /** Undefined: passwords are not checked against known breaches. */
  breachCheck: BreachCheck | undefined
  /** Path of an MMDB file; undefined: no geolocation is shown. */
  geoipDatabase: string | undefined
  email: Readonly<{
    /** Undefined: no email is sent. Development stores the emails instead. */
    smtp: SmtpServer | undefined
    /** The sender's email address. */
    from: string
  }>
  logLevel: LogLevel
  /** The private listener for metrics; undefined: none. */
  metricsListen: Readonly<{ host: string; port: number }> | undefined
}>
