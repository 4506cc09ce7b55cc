/**
 * The addresses of Postgres and Redis, and whether the connection may be without verified TLS
 * (OWASP ASVS V12.3.1).
 */
import { isLoopback, isPrivate } from './hosts.ts'
import type { Source } from './source.ts'

const embedded = 'embedded:'

/** Undefined: the embedded database, or after a problem. */
export function readDatabaseUrl(source: Source): string | undefined {
  const url = source.text('DATABASE_URL')
  if (url === undefined) return source.problem('DATABASE_URL', 'database_url_missing')
  return url === embedded ? undefined : checkPostgresUrl(source, 'DATABASE_URL', url)
}

export function readDatabaseDirectUrl(source: Source): string | undefined {
  const url = source.stated('DATABASE_DIRECT_URL')
  if (!url) return undefined
  if (source.text('DATABASE_URL') === embedded) {
    return source.problem('DATABASE_DIRECT_URL', 'database_direct_url_without_url')
  }
  return checkPostgresUrl(source, 'DATABASE_DIRECT_URL', url)
}

function checkPostgresUrl(
  source: Source,
  variable: 'DATABASE_URL' | 'DATABASE_DIRECT_URL',
  url: string,
): string | undefined {
  // A socket's address may have a user and no host (postgres://me@/name?host=/run/postgresql). URL
  // cannot parse that.
  const readable = url.replace('@/', '@socket/')
  const parsed = URL.canParse(readable) ? new URL(readable) : undefined
  if (!parsed || !['postgres:', 'postgresql:'].includes(parsed.protocol) || parsed.pathname.length < 2) {
    return source.problem(variable, 'database_url_malformed')
  }
  const query = parsed.searchParams
  const host = query.get('host') ?? decodeURIComponent(parsed.hostname)
  if (!host) return source.problem(variable, 'database_url_malformed')
  // pg has several options for TLS, and some turn off verification, so only `sslmode` is allowed.
  if (query.has('ssl')) return source.problem(variable, 'database_url_ssl')

  if (source.environment !== 'production' || host.startsWith('/') || isLoopback(host)) return url
  const mode = query.get('sslmode')
  // Only verify-full means the same in every version of pg; the next version changes require and
  // verify-ca.
  if (mode === 'verify-full' || (mode === 'disable' && isPrivate(host))) return url
  if (mode === null) return source.problem(variable, 'database_tls_unstated', { host })
  return source.problem(variable, 'database_tls_unverified', { host, mode })
}

const redisAddress =
  /^(?<scheme>rediss?(?:\+cluster)?):\/\/(?:[^@/?#\s]*@)?(?<hosts>[^@/?#\s]+)(?<database>\/\d{0,4})?$/

/** REDIS_URL, or undefined. A cluster has no numbered databases; a single server has one host. */
export function readRedisUrl(source: Source): string | undefined {
  const url = source.stated('REDIS_URL')
  if (!url) return undefined
  const { scheme = '', hosts = '', database = '' } = redisAddress.exec(url)?.groups ?? {}
  const isCluster = scheme.endsWith('+cluster')
  const names = hosts.split(',').map((host) => /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::([1-9]\d{0,4}))?$/.exec(host)?.[1])
  const isWrong = names.some((name) => !name) || (isCluster ? database.length > 1 : names.length > 1)
  if (!scheme || isWrong) return source.problem('REDIS_URL', 'redis_url_malformed')

  const exposed = names.find((name) => name && !isPrivate(name))
  const isPlain = !scheme.startsWith('rediss')
  if (source.environment === 'production' && isPlain && exposed) {
    return source.problem('REDIS_URL', 'redis_tls_missing', { host: exposed })
  }
  return url
}
