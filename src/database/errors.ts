/** The database's failures, and which of the driver's errors mean that the database is away rather than that a query is wrong. */
import type { AppErrorOptions } from '../errors.ts'
import { AppError, declareError } from '../errors.ts'

const retryAfterSeconds = 5

/** The database lacks migrations and the automatic run is off (MIGRATE_AT_START=false): `latchkey migrate` first. */
export const migrationsPending = declareError('migrations_pending', 503)

/** What needs a session of its own (LISTEN, jobs, locks) would share one with others. Params: `variable`. */
export const directUrlPooled = declareError('database_direct_url_pooled', 503)

const unavailable = declareError('database_unavailable', 503)

/** The database does not answer. Nothing was decided; the same request may be sent again after Retry-After. */
const databaseUnavailable = (options: AppErrorOptions = {}): AppError => unavailable({ retryAfterSeconds, ...options })

// Node's socket and resolver errors, and the SQLSTATEs (PostgreSQL, appendix A) with which a server says that it, not the
// query, is the problem: 08 connection, 57P01-57P03 shutdown and start-up, 53300 too many connections, 25006 a primary that
// has become a standby, 57014 statement_timeout, 25P03 and 57P05 a session that was idle for too long.
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

// pg gives these no code.
const driverMessages = [
  'Connection terminated',
  'Client has encountered a connection error',
  'Client was closed',
  'timeout exceeded when trying to connect',
  'timeout expired',
  'Query read timeout',
]

/** Whether `error` says that the database is away, starting, full or too slow, so that the same query may succeed later. */
export function isConnectionFailure(error: unknown): boolean {
  // By shape, not by class: an error of Node's own may come from another realm.
  if (typeof error !== 'object' || error === null) return false
  const { code, message, errors } = error as { code?: unknown; message?: unknown; errors?: unknown }
  if (code === 'database_unavailable') return true
  if (typeof code === 'string' && (socketCodes.has(code) || serverCodes.has(code) || /^08...$/.test(code))) return true
  if (Array.isArray(errors)) return errors.some(isConnectionFailure)
  return code === undefined && driverMessages.some((text) => String(message).includes(text))
}

/** Whether Postgres has ended this transaction so that another one could go on: a deadlock, or a conflict of serialisation. */
export const isLostConflict = (error: unknown): boolean =>
  ['40P01', '40001'].includes((error as { code?: string } | null)?.code ?? '')

/** Where and how the way to the database ended, without user, password or query: `connect ECONNREFUSED 10.0.0.1:5432`. */
export function connectionReason(error: AppError): string {
  const { cause } = error
  // A name with several addresses fails with one error for each, and an empty one around them.
  const first = cause instanceof AggregateError ? cause.errors[0] : cause
  return first instanceof Error && first.message !== '' ? first.message : error.code
}

/** What a query rejects with: `databaseUnavailable` (cause: the driver's error) when the database is away, else `error` itself. */
export function toDatabaseFailure(error: unknown): unknown {
  if (error instanceof AppError || !isConnectionFailure(error)) return error
  return databaseUnavailable({ cause: error })
}
