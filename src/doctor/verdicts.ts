/**
 * The checks: what each one examines, and its verdict. All input is passed in; nothing is opened or
 * changed here.
 */
import type { Config } from '../config/config.ts'
import type { ConfigProblem } from '../config/problems.ts'
import type { Queryable } from '../database/database.ts'
import type { EmbeddedAge } from '../database/embedded/version.ts'
import type { ClockOffset } from '../following-clock.ts'
import type { RedisState } from '../redis/connection.ts'
import type { Finding } from './service.ts'

const ok = (code: string, params?: Finding['params']): Finding => ({ status: 'ok', code, ...(params && { params }) })
const warning = (code: string, params?: Finding['params']): Finding => ({ ...ok(code, params), status: 'warning' })
const failed = (code: string, params?: Finding['params']): Finding => ({ ...ok(code, params), status: 'failed' })

/** The oldest major version that the SQL of Latchkey is tested on. */
const oldestPostgres = 14

type ConfigurationDeps = {
  config: Config | undefined
  problems: readonly ConfigProblem[]
  warnings: readonly ConfigProblem[]
  /** The message of a problem; the caller knows the catalogue. */
  sentenceOf: (problem: ConfigProblem) => string
}

export function checkConfiguration({ config, problems, warnings, sentenceOf }: ConfigurationDeps): Finding[] {
  const findingsOf = (status: Finding['status'], list: readonly ConfigProblem[]): Finding[] =>
    list.map((problem) => ({
      status,
      code: 'configuration_problem',
      params: { variable: problem.variable, sentence: sentenceOf(problem) },
    }))
  if (!config) return findingsOf('failed', problems)
  const { environment, issuer } = config
  return [ok('configuration_ok', { environment, issuer }), ...findingsOf('warning', warnings)]
}

export async function checkDatabase(db: Queryable): Promise<Finding> {
  const { rows } = await db.raw(
    "SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS name, current_setting('server_encoding') AS encoding, current_setting('transaction_read_only') = 'on' AS read_only",
  )
  const { number, name, encoding, read_only: isReadOnly } = rows[0]
  if (Math.floor(number / 10_000) < oldestPostgres)
    return failed('database_too_old', { version: name, oldest: oldestPostgres })
  if (isReadOnly) return failed('database_read_only')
  return encoding === 'UTF8' ? ok('database_ok', { version: name }) : failed('database_not_utf8', { encoding })
}

/** `age` of the embedded database; undefined for an external Postgres. */
export function checkEmbedded(age: EmbeddedAge | undefined): readonly Finding[] {
  if (age === undefined) return []
  return [age.releases > 0 ? warning('embedded_behind', age) : ok('embedded_small', { version: age.version })]
}

/** With a pooler the server's own time limits apply, which belong to the role. */
export async function checkPooler(db: Queryable, isPooled: boolean): Promise<readonly Finding[]> {
  if (!isPooled) return []
  const { rows } = await db.raw("SELECT current_setting('statement_timeout') AS timeout, current_user AS role")
  const { timeout, role } = rows[0]
  return [timeout === '0' ? warning('database_pooled_unlimited', { role }) : ok('database_pooled')]
}

export const checkMigrations = (pending: readonly string[], isAutomatic: boolean): Finding => {
  if (pending.length === 0) return ok('migrations_ok')
  const params = { count: pending.length, names: pending.join(', ') }
  return isAutomatic ? warning('migrations_at_start', params) : failed('migrations_missing', params)
}

const toleratedSkewMs = 1000
/** A server with a larger difference is not ready. */
const dangerousSkewMs = 5000

/** A server corrects its clock by this difference, but its engine uses the system clock. */
export function checkClock({ offsetMs }: ClockOffset): Finding {
  const skewMs = Math.round(offsetMs)
  const params = { skewMs }
  if (Math.abs(skewMs) > dangerousSkewMs) return failed('clock_off', params)
  return Math.abs(skewMs) > toleratedSkewMs ? warning('clock_drifts', params) : ok('clock_ok', params)
}

/** `running` are the stores of the running servers, `stores` those of this configuration. */
export function checkStores({ stores, running }: { stores: string; running: readonly string[] }): Finding {
  const others = running.filter((one) => one !== stores)
  return others.length === 0
    ? ok('stores_agree', { stores })
    : failed('stores_differ', { stores, others: others.join('; ') })
}

/** `peers` sent X-Forwarded-For, and TRUST_PROXY does not name them. */
export const checkProxy = (peers: readonly string[]): Finding =>
  peers.length === 0 ? ok('proxy_ok') : warning('proxy_untrusted', { peers: peers.join(', ') })

type ActiveKey = Readonly<{ algorithm: string; activatedAt: number | undefined }>

/**
 * The ring is checked twice a minute. A key this far overdue shows that no process rotates the
 * keys.
 */
const overdueMs = 24 * 3_600_000

/** `active` are the active keys, `activeMs` is their planned time. A fresh ring has no keys yet. */
export function checkKeyRing(
  active: readonly ActiveKey[],
  {
    needed,
    activeMs,
    isFresh,
    nowMs,
  }: { needed: readonly string[]; activeMs: number; isFresh: boolean; nowMs: number },
): Finding {
  if (isFresh) return ok('keys_not_made')
  const missing = needed.filter((algorithm) => !active.some((key) => key.algorithm === algorithm))
  // The next start announces the missing keys.
  if (missing.length > 0) return warning('keys_missing', { algorithms: missing.join(', ') })
  const overdue = active.filter(({ activatedAt = nowMs }) => nowMs > activatedAt + activeMs + overdueMs)
  if (overdue.length > 0) {
    return warning('keys_overdue', { algorithms: overdue.map(({ algorithm }) => algorithm).join(', ') })
  }
  return ok('keys_ok', { algorithms: needed.join(', ') })
}

/** Two master keys are only for the time of a change. */
export const checkMasterKeys = (isFresh: boolean, hasPrevious: boolean): Finding => {
  if (hasPrevious) return warning('master_key_changing')
  return ok(isFresh ? 'master_key_unused' : 'master_key_ok')
}

/** OWASP Password Storage: the minimum for Argon2id. Our default is 64 MiB, 3 passes. */
export function checkPasswordHash({ memoryKiB, iterations, parallelism }: Config['passwordHash']): Finding {
  const params = { memoryKiB, iterations, parallelism }
  return memoryKiB * iterations < 65_536 * 3 ? warning('password_hash_cheap', params) : ok('password_hash_ok', params)
}

/** SP 800-63B-4 §3.1.1.2: the minimum where the password is the only factor. */
const recommendedMinimum = 15

export const checkPasswordPolicy = (minimum: number): Finding =>
  minimum < recommendedMinimum ? warning('password_minimum_low', { minimum }) : ok('password_policy_ok', { minimum })

/** `failure`: why the service cannot be asked; undefined when it answers or none is configured. */
export function checkBreachCheck(
  breachCheck: Config['breachCheck'],
  failure: string | undefined,
  isProduction: boolean,
): Finding {
  if (!breachCheck) return isProduction ? warning('breach_check_missing') : ok('breach_check_off')
  const params = { host: new URL(breachCheck.rangeUrl).host, outage: breachCheck.outage }
  return failure === undefined
    ? ok('breach_check_ok', params)
    : failed('breach_check_away', { ...params, reason: failure })
}

export type Samples = { clientIds: readonly string[]; emails: readonly string[]; loopbackClientIds: readonly string[] }

/**
 * `samples`: clients and users that the development seed created, or that have a secret from it.
 */
export function checkSamples({ clientIds, emails, loopbackClientIds }: Samples, isProduction: boolean): Finding[] {
  if (!isProduction) return [ok('samples_allowed')]
  const findings = [
    ...clientIds.map((id) => failed('sample_client', { id })),
    ...emails.map((email) => failed('sample_user', { email })),
    ...loopbackClientIds.map((id) => warning('loopback_client', { id })),
  ]
  return findings.length > 0 ? findings : [ok('samples_ok')]
}

/** `keeper`: the account that keeps the mailbox of a duplicate. */
type MarkedEmail = Readonly<{
  id: string
  email: string
  problem: 'duplicate' | 'invalid'
  keeper?: Readonly<{ id: string; email: string }> | undefined
}>

export type Emails = Readonly<{
  marked: readonly MarkedEmail[]
  markedCount: number
  unsettledCount: number
}>

/** Accounts that cannot be found by their email, and accounts whose email is not checked yet. */
export function checkEmails({ marked, markedCount, unsettledCount }: Emails): readonly Finding[] {
  const findings = [
    ...marked.map(checkMarked),
    ...(markedCount > marked.length ? [warning('emails_more', { count: markedCount - marked.length })] : []),
    ...(unsettledCount > 0 ? [warning('emails_unsettled', { count: unsettledCount })] : []),
  ]
  return findings.length > 0 ? findings : [ok('emails_ok')]
}

function checkMarked({ id, email, problem, keeper }: MarkedEmail): Finding {
  if (problem === 'invalid') return warning('email_invalid', { id, email })
  if (!keeper) return warning('email_free', { id, email })
  return warning('email_duplicate', { id, email, keeperId: keeper.id, keeperEmail: keeper.email })
}

/** Settings that are allowed but may be mistakes. */
export function checkClients(
  clients: readonly {
    clientId: string
    requirePkce: boolean
    unknownScopes: readonly string[]
    hasBadKey: boolean
  }[],
) {
  const findings = clients.flatMap(({ clientId: id, requirePkce, unknownScopes, hasBadKey }) => [
    ...(hasBadKey ? [warning('client_bad_key', { id })] : []),
    ...(requirePkce ? [] : [warning('client_without_pkce', { id })]),
    ...(unknownScopes.length === 0 ? [] : [warning('client_unknown_scopes', { id, scopes: unknownScopes.join(', ') })]),
  ])
  return findings.length > 0 ? findings : [ok('clients_ok', { count: clients.length })]
}

export const checkRedis = (state: RedisState | undefined): Finding => {
  if (state === undefined) return ok('redis_unused')
  if (state === 'ok') return ok('redis_ok')
  return failed(state === 'away' ? 'redis_away' : 'redis_refuses_writes')
}

/**
 * `failure`: why connecting to the SMTP server failed; undefined when it succeeded or none is
 * configured.
 */
export function checkSmtp(host: string | undefined, failure: string | undefined, isProduction: boolean): Finding {
  if (host === undefined) return isProduction ? warning('mail_missing') : ok('mail_kept')
  return failure === undefined ? ok('mail_ok', { host }) : failed('mail_away', { host, reason: failure })
}
