/**
 * Every environment variable of Latchkey with its default: the one list for the reader,
 * `.env.example` and the docs.
 */

type Variable = {
  name: string
  /** The value of an unset or empty variable; absent when there is none. */
  default?: string
  /** The default in production when it differs; empty: no default. */
  productionDefault?: string
  isRequiredInProduction?: true
}

/**
 * In the order of `.env.example` and `docs/reference/environment-variables.md`, which describe each
 * variable.
 */
export const variables = [
  { name: 'NODE_ENV', default: 'development' },
  { name: 'ISSUER', isRequiredInProduction: true },
  { name: 'HOST', default: '127.0.0.1', productionDefault: '0.0.0.0' },
  { name: 'PORT', default: '3000' },
  { name: 'TRUST_PROXY' },
  { name: 'OUTBOUND_ALLOW', default: 'http://localhost:*', productionDefault: '' },
  { name: 'REQUIRE_PUSHED_REQUESTS', default: 'false' },
  { name: 'SERVER_PROCESSES', default: '1' },
  { name: 'SHUTDOWN_DELAY_SECONDS', default: '0', productionDefault: '5' },
  { name: 'DATA_FOLDER', default: '.data' },
  { name: 'DATABASE_URL', default: 'embedded:', isRequiredInProduction: true },
  { name: 'DATABASE_DIRECT_URL' },
  { name: 'DATABASE_POOL_SIZE', default: '20' },
  { name: 'MIGRATE_AT_START', default: 'true' },
  { name: 'REDIS_URL' },
  { name: 'MASTER_KEY', isRequiredInProduction: true },
  { name: 'MASTER_KEY_FILE' },
  { name: 'MASTER_KEY_PREVIOUS' },
  { name: 'MASTER_KEY_PREVIOUS_FILE' },
  { name: 'SIGNING_ALGORITHMS', default: 'RS256,ES256,EdDSA' },
  { name: 'KEY_ACTIVE_DAYS', default: '30' },
  { name: 'KEY_ANNOUNCE_HOURS', default: '24' },
  { name: 'ID_TOKEN_HINT_DAYS', default: '14' },
  { name: 'JWKS_CACHE_SECONDS', default: '300' },
  { name: 'PASSWORD_HASH_MEMORY_KIB', default: '65536' },
  { name: 'PASSWORD_HASH_ITERATIONS', default: '3' },
  { name: 'PASSWORD_HASH_PARALLELISM', default: '4' },
  { name: 'PASSWORD_HASH_SLOTS' },
  { name: 'PASSWORD_HASH_QUEUE', default: '16' },
  { name: 'BREACH_CHECK_URL' },
  { name: 'BREACH_CHECK_OUTAGE', default: 'allow' },
  { name: 'GEOIP_DATABASE' },
  { name: 'SMTP_URL' },
  { name: 'MAIL_FROM' },
  { name: 'LOG_LEVEL', default: 'info' },
  { name: 'METRICS_HOST', default: '127.0.0.1' },
  { name: 'METRICS_PORT' },
] as const satisfies readonly Variable[]

export type VariableName = (typeof variables)[number]['name']

const byName = new Map<string, Variable>(variables.map((variable) => [variable.name, variable]))

/**
 * The value of an unset `name` in `environment`; undefined when there is none, or when production
 * requires a value.
 */
export function defaultOf(name: VariableName, environment: string): string | undefined {
  const variable = byName.get(name)
  if (environment !== 'production') return variable?.default
  if (variable?.isRequiredInProduction) return undefined
  return (variable?.productionDefault ?? variable?.default) || undefined
}
