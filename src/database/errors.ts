/**
 * The database's failures, and which errors of the driver mean that the database is unavailable,
 * not that a query is wrong.
 */
import type { AppErrorOptions } from '../errors.ts'
import { AppError, declareError } from '../errors.ts'

const retryAfterSeconds = 5

/** The database lacks migrations and MIGRATE_AT_START is false: run `latchkey migrate` first. */
export const migrationsPending = declareError('migrations_pending', 503)

/**
 * LISTEN, jobs and locks need their own session, and this address shares sessions. Params:
 * `variable`.
 */
export const directUrlPooled = declareError('database_direct_url_pooled', 503)

const unavailable = declareError('database_unavailable', 503)

/**
 * The database does not answer. Nothing was decided; the client may repeat the request after
 * Retry-After.
 */
const databaseUnavailable = (options: AppErrorOptions = {}): AppError => unavailable({ retryAfterSeconds, ...options })

// Node's socket errors; below, SQLSTATEs (PostgreSQL, appendix A): 08 connection, 57P01-57P03 stop
// and start, 53300 full, 25006 now a standby, 57014 statement_timeout, 25P03 and 57P05 idle.
const socketCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'ENOENT',
  'EACCES',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
])
const serverCodes = new Set(['57P01', '57P02', '57P03', '57P05', '53300', '25006', '57014', '25P03'])

// pg gives these errors no code.
const driverMessages = [
  'Connection terminated',
  'Client has encountered a connection error',
  'Client was closed',
  'timeout exceeded when trying to connect',
  'timeout expired',
  'Query read timeout',
]

/**
 * Whether `error` says that the database is unavailable, starting, full or too slow: the same query
 * may succeed later.
 */
export function isConnectionFailure(error: unknown): boolean {
  // Checks properties, not the class: Node's own errors may come from another realm.
  if (typeof error !== 'object' || error === null) return false
  const { code, message, errors } = error as { code?: unknown; message?: unknown; errors?: unknown }
  if (code === 'database_unavailable') return true
  if (typeof code === 'string' && (socketCodes.has(code) || serverCodes.has(code) || /^08...$/.test(code))) return true
  if (Array.isArray(errors)) return errors.some(isConnectionFailure)
  return code === undefined && driverMessages.some((text) => String(message).includes(text))
}

/**
 * Whether Postgres ended this transaction in favour of another one: a deadlock or a serialisation
 * conflict.
 */
export const isLostConflict = (error: unknown): boolean =>
  ['40P01', '40001'].includes((error as { code?: string } | null)?.code ?? '')

/**
 * Where and why the connection failed, without user, password or query: `connect ECONNREFUSED
 * 10.0.0.1:5432`.
 */
export function connectionReason(error: AppError): string {
  const { cause } = error
  // A name with several IP addresses fails with one error for each, inside one without a message.
  const first = cause instanceof AggregateError ? cause.errors[0] : cause
  return first instanceof Error && first.message !== '' ? first.message : error.code
}

/**
 * The error of a query: `databaseUnavailable` (cause: the driver's error) when the database is
 * unavailable, else `error` itself.
 */
export function toDatabaseFailure(error: unknown): unknown {
  if (error instanceof AppError || !isConnectionFailure(error)) return error
  return databaseUnavailable({ cause: error })
}
