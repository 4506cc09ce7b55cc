/**
 * Jobs whose process died: graphile-worker gives them back after four hours, and a notification cannot wait that long.
 * A process that works holds a shared advisory lock, named after its worker, on the connection it listens with.
 */
import type { WorkerEvents } from 'graphile-worker'
import type pg from 'pg'
import type { Log } from '../log.ts'
import { queueSchema } from './connection.ts'

const lock = `hashtextextended('latchkey worker ' || $1, 0)`

/** Takes the lock whenever the worker's listening connection is made; Postgres drops it with the connection. */
export function showPresence(events: WorkerEvents, log: Log): void {
  events.on('pool:listen:success', ({ client, workerPool }) => {
    client
      .query(`SELECT pg_advisory_lock_shared(${lock})`, [workerPool.id])
      .catch((error: unknown) => log.warn({ err: error }, 'the job queue could not show that it is alive'))
  })
}

/**
 * Gives back the jobs of workers that are no more, and returns how many workers that were. A job that began within the
 * last 15 seconds is left alone: its worker may not have its lock yet.
 */
export async function releaseAbandonedJobs(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ worker: string }>(
    `SELECT DISTINCT locked_by AS worker FROM ${queueSchema}.jobs WHERE locked_at < now() - interval '15 seconds'`,
  )
  let released = 0
  for (const { worker } of rows) {
    // One statement is one transaction. The exclusive lock is refused while the worker lives or another process is at it.
    const { rowCount } = await pool.query(
      `SELECT ${queueSchema}.force_unlock_workers(ARRAY[$1::text]) WHERE pg_try_advisory_xact_lock(${lock})`,
      [worker],
    )
    released += rowCount ?? 0
  }
  return released
}
