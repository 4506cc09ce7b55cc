/**
 * Reads environment variables into one frozen Config, or reports every problem at once.
 * Synchronous, because it runs before the size of libuv's pool is set.
 */
import { accessSync, constants } from 'node:fs'
import { resolve } from 'node:path'
import ipaddr from 'ipaddr.js'
import { logLevels } from '../log.ts'
import { nearest } from '../problems.ts'
import type { Random } from '../random.ts'
import { systemRandom } from '../random.ts'
import { readBreachCheck } from './breach-check.ts'
import type { Config, Environment } from './config.ts'
import { environments } from './config.ts'
import { readEmailFrom, readSmtpServer } from './email.ts'
import { isHost, isLoopback } from './hosts.ts'
import { readIssuer } from './issuer.ts'
import { readDevelopmentMasterKey, readMasterKey, readPreviousMasterKey } from './master-key.ts'
import { meantVariable } from './misspelled.ts'
import { readOutboundAllow } from './outbound.ts'
import type { ConfigProblem } from './problems.ts'
import { readSigningKeys } from './signing-keys.ts'
import type { Env, Source } from './source.ts'
import { createSource } from './source.ts'
import { readDatabaseDirectUrl, readDatabaseUrl, readRedisUrl } from './stores.ts'

export type ConfigResult =
  | { config: Config; warnings: readonly ConfigProblem[] }
  | { problems: readonly ConfigProblem[]; warnings: readonly ConfigProblem[] }

// The default folder is beside package.json, not in the current folder: the server and the command
// line must use the same database.
const projectFolder = resolve(import.meta.dirname, '../..')

// The minimum that OWASP's Password Storage cheat sheet gives for Argon2id.
const hashFloor = { memoryKiB: 19456, iterations: 2, parallelism: 1 } as const

/**
 * Reads `env` (normally `process.env`). Outside production, without a problem, it also creates the
 * development master key on first use. The message of a problem or warning is `config.<code>` in
 * `locales/`, with `params`, which contain no secret.
 */
export function readConfig(env: Env, random: Random = systemRandom): ConfigResult {
  const source = createSource(env, environmentOf(env))
  const config = read(source)
  for (const name of Object.keys(env).sort()) {
    const meant = meantVariable(name)
    if (meant) source.problem(name, 'unknown_variable', { nearest: meant })
  }
  const { problems, warnings } = source
  if (problems.length > 0) return { problems, warnings }

  const masterKey = config.masterKey ?? readDevelopmentMasterKey(source, config.dataFolder, random)
  if (!masterKey) return { problems, warnings }
  if (config.previousMasterKey?.equals(masterKey)) source.problem('MASTER_KEY_PREVIOUS', 'master_key_previous_same')
  if (problems.length > 0) return { problems, warnings }
  // A reader returns undefined only after a problem or where the type allows it.
  return { config: Object.freeze({ ...config, masterKey }) as Config, warnings }
}

// A misspelled NODE_ENV is one problem. The rest is checked for the probable value, so that all
// problems are reported at once.
function environmentOf(env: Env): Environment {
  const meant = nearest(env.NODE_ENV?.trim() || 'development', environments)
  return environments.find((environment) => environment === meant) ?? 'production'
}

function read(source: Source) {
  const port = source.integer('PORT', { min: 1, max: 65535 })
  const issuer = readIssuer(source, port ?? 3000)
  const outboundAllow = readOutboundAllow(source)
  return {
    environment: source.choice('NODE_ENV', environments),
    issuer,
    listen: Object.freeze({ host: readHost(source), port }),
    dataFolder: source.stated('DATA_FOLDER')
      ? resolve(source.text('DATA_FOLDER') ?? '')
      : resolve(projectFolder, source.text('DATA_FOLDER') ?? ''),
    database: Object.freeze({
      url: readDatabaseUrl(source),
      directUrl: readDatabaseDirectUrl(source),
      poolSize: source.integer('DATABASE_POOL_SIZE', { min: 2, max: 1000 }),
      migrateAtStart: source.flag('MIGRATE_AT_START'),
    }),
    redisUrl: readRedisUrl(source),
    masterKey: readMasterKey(source),
    previousMasterKey: readPreviousMasterKey(source),
    signingKeys: readSigningKeys(source),
    trustProxy: readTrustProxy(source),
    outboundAllow,
    requirePushedRequests: source.flag('REQUIRE_PUSHED_REQUESTS'),
    shutdownDelaySeconds: source.integer('SHUTDOWN_DELAY_SECONDS', { min: 0, max: 300 }),
    serverProcesses: source.integer('SERVER_PROCESSES', { min: 1, max: 1024 }),
    passwordHash: readPasswordHash(source),
    breachCheck: readBreachCheck(source, outboundAllow),
    geoipDatabase: readGeoipDatabase(source),
    email: Object.freeze({ smtp: readSmtpServer(source), from: readEmailFrom(source, issuer) }),
    logLevel: source.choice('LOG_LEVEL', logLevels),
    metricsListen: readMetricsListen(source, port),
  }
}

function readGeoipDatabase(source: Source): string | undefined {
  const stated = source.stated('GEOIP_DATABASE')
  if (stated === undefined) return undefined
  const path = resolve(stated)
  try {
    accessSync(path, constants.R_OK)
    return path
  } catch (error) {
    return source.problem('GEOIP_DATABASE', 'geoip_database_unreadable', { path, reason: String(Object(error).code) })
  }
}

function readHost(source: Source): string | undefined {
  const host = source.text('HOST') ?? ''
  if (!isHost(host)) return source.problem('HOST', 'host_malformed')
  // Development has a well-known account, password and clients, so only this machine may connect.
  if (source.environment !== 'production' && !isLoopback(host)) return source.problem('HOST', 'host_not_loopback')
  return host
}

function readTrustProxy(source: Source): readonly string[] {
  const entries = (source.stated('TRUST_PROXY') ?? '').split(',').map((entry) => entry.trim())
  const stated = entries.filter((entry) => entry !== '')
  for (const entry of stated) {
    const [ip = '', prefix] = entry.split('/')
    const isAddress = ipaddr.IPv4.isValidFourPartDecimal(ip) || ipaddr.IPv6.isValid(ip)
    if (!isAddress || (prefix !== undefined && !ipaddr.isValidCIDR(entry))) {
      source.problem('TRUST_PROXY', 'trust_proxy_malformed', { entry })
    } else if (prefix !== undefined && Number(prefix) === 0) {
      source.problem('TRUST_PROXY', 'trust_proxy_everyone', { entry })
    }
  }
  return Object.freeze(stated)
}

function readPasswordHash(source: Source) {
  const memoryKiB = source.integer('PASSWORD_HASH_MEMORY_KIB', { min: hashFloor.memoryKiB, max: 4194304 })
  const iterations = source.integer('PASSWORD_HASH_ITERATIONS', { min: hashFloor.iterations, max: 100 })
  const parallelism = source.integer('PASSWORD_HASH_PARALLELISM', { min: hashFloor.parallelism, max: 255 })
  const slots = source.integer('PASSWORD_HASH_SLOTS', { min: 1, max: 256 })
  const queue = source.integer('PASSWORD_HASH_QUEUE', { min: 0, max: 10000 })
  return Object.freeze({ memoryKiB, iterations, parallelism, slots, queue })
}

function readMetricsListen(source: Source, mainPort: number | undefined) {
  const port = source.integer('METRICS_PORT', { min: 1, max: 65535 })
  const host = source.text('METRICS_HOST') ?? ''
  if (!isHost(host)) return source.problem('METRICS_HOST', 'host_malformed')
  if (port === undefined) {
    if (source.stated('METRICS_HOST') && !source.stated('METRICS_PORT')) {
      source.problem('METRICS_HOST', 'metrics_host_without_port')
    }
    return undefined
  }
  if (port === mainPort) return source.problem('METRICS_PORT', 'metrics_port_taken')
  return Object.freeze({ host, port })
}
