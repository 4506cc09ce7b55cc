/** The queue's own few connections to Postgres, and its lines in our log. */
import type { LogFunctionFactory } from 'graphile-worker'
import { Logger } from 'graphile-worker'
import pg from 'pg'
import type { Log } from '../log.ts'

/** Given explicitly everywhere: graphile-worker would otherwise read it from an environment variable. */
export const queueSchema = 'graphile_worker'

/**
 * A pool for the queue alone: listening and long jobs must not take connections from requests.
 * `url` must be a direct connection; a pooler that changes the server connection between transactions loses LISTEN.
 */
export function createQueuePool({ url, log, size }: { url: string; log: Log; size: number }): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: size,
    application_name: 'latchkey-queue',
    connectionTimeoutMillis: 10_000,
  })
  // A connection that dies while nobody uses it is an event without a listener otherwise, which ends the process.
  const lost = (error: Error) => log.debug({ err: error }, 'the job queue lost a connection')
  pool.on('error', lost)
  pool.on('connect', (client) => client.on('error', lost))
  return pool
}

const levels = { error: 'error', warning: 'warn', info: 'debug', debug: 'trace' } as const

/** graphile-worker's messages as lines of ours. Its meta is left out but for the error: it contains whole jobs. */
export function queueLogger(log: Log): Logger {
  const write: LogFunctionFactory = () => (level, message, meta) =>
    log[levels[level]](meta?.error instanceof Error ? { err: meta.error } : {}, `queue: ${message.split('\n')[0]}`)
  return new Logger(write)
}
