/** The queue's own connections to Postgres, and its messages in our log. */
import type { LogFunctionFactory } from 'graphile-worker'
import { Logger } from 'graphile-worker'
import pg from 'pg'
import type { Log } from '../log.ts'

/**
 * Always passed explicitly: graphile-worker would otherwise read it from an environment variable.
 */
export const queueSchema = 'graphile_worker'

/**
 * A separate pool, so that the queue takes no connections from requests. `url` must be a direct
 * connection: behind a pooler in transaction mode LISTEN does not work.
 */
export function createQueuePool({ url, log, size }: { url: string; log: Log; size: number }): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: size,
    application_name: 'latchkey-queue',
    connectionTimeoutMillis: 10_000,
  })
  // A broken idle connection emits an event, which would end the process without a listener.
  const lost = (error: Error) => log.debug({ err: error }, 'the job queue lost a connection')
  pool.on('error', lost)
  pool.on('connect', (client) => client.on('error', lost))
  return pool
}

const levels = { error: 'error', warning: 'warn', info: 'debug', debug: 'trace' } as const

/**
 * graphile-worker's messages in our log. Only the error of their metadata is logged, because the
 * rest contains whole jobs.
 */
export function queueLogger(log: Log): Logger {
  const write: LogFunctionFactory = () => (level, message, meta) =>
    log[levels[level]](meta?.error instanceof Error ? { err: meta.error } : {}, `queue: ${message.split('\n')[0]}`)
  return new Logger(write)
}
