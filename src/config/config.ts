/** What a process is started with: the typed, frozen result of reading its environment. What changes at run time is in `settings/`. */
import type { Algorithm } from '../../keys/algorithms.ts'
import type { KeyTimes } from '../../keys/states.ts'
import type { LogLevel } from '../log.ts'
import type { BreachCheck } from './breach-check.ts'
import type { SmtpServer } from './email.ts'

export const environments = ['development', 'test', 'production'] as const
export type Environment = (typeof environments)[number]

/** Scheme with its colon, host as the URL standard writes it; no port: every one, an empty one: the scheme's own. */
export type AllowedOrigin = Readonly<{ protocol: string; hostname: string; port: string | undefined }>

export type Config = Readonly<{
  environment: Environment
  /** The issuer identifier (RFC 8414 §2), without a trailing slash. */
  issuer: string
  listen: Readonly<{ host: string; port: number }>
  /** Absolute path of the folder for the embedded database and development's master key. */
  dataFolder: string
  database: Readonly<{
    /** Undefined: the embedded database in `dataFolder`. */
    url: string | undefined
    /** Around a pooler, for LISTEN, migrations and locks that outlive a transaction. */
    directUrl: string | undefined
    poolSize: number
    migrateAtStart: boolean
  }>
  /** redis://, rediss://, or a cluster: redis+cluster://, rediss+cluster:// with a comma list of hosts. */
  redisUrl: string | undefined
  /** 32 bytes. */
  masterKey: Buffer
  /** While the master key is being changed: the one that sealed what is not sealed anew yet. */
  previousMasterKey: Buffer | undefined
  signingKeys: Readonly<{
    /** Those that are offered, in the order of the JWKS; RS256 is always among them. */
    algorithms: readonly Algorithm[]
    times: KeyTimes
    /** A new key signs no sooner, even on request, in milliseconds: until then a cached JWKS may lack it. */
    minAnnouncedMs: number
    jwksCacheSeconds: number
  }>
  /** Addresses and CIDR ranges whose forwarded headers count; empty: nobody's do. */
  trustProxy: readonly string[]
  /** What requests to the outside may reach although it is not https on the public internet. */
  outboundAllow: readonly AllowedOrigin[]
  /** Every authorization request must be pushed first (RFC 9126 §5). */
  requirePushedRequests: boolean
  /** How long requests are still taken after a signal, while `/health/ready` tells balancers to look elsewhere. */
  shutdownDelaySeconds: number
  /** Server processes that share this machine's cores. */
  serverProcesses: number
  passwordHash: Readonly<{
    memoryKiB: number
    iterations: number
    parallelism: number
    /** Undefined: the machine's cores divided by `serverProcesses`. */
    slots: number | undefined
    queue: number
  }>
  /** Undefined: passwords are not looked up in known breaches. */
  breachCheck: BreachCheck | undefined
  /** Path of an MMDB file; undefined: nobody is told where an address is. */
  geoipDatabase: string | undefined
  email: Readonly<{
    /** Undefined: no email is sent; development keeps what it would have sent. */
    smtp: SmtpServer | undefined
    /** The sender's address. */
    from: string
  }>
  logLevel: LogLevel
  /** The private listener for metrics; undefined: none. */
  metricsListen: Readonly<{ host: string; port: number }> | undefined
}>
