/**
 * Jobs of terminated processes: graphile-worker releases them too late, after four hours. Each
 * worker has a shared advisory lock, named after it, on its listening connection.
 */
import type { WorkerEvents } from 'graphile-worker'
import type pg from 'pg'
import type { Log } from '../log.ts'
import { queueSchema } from './connection.ts'

const lock = `hashtextextended('latchkey worker ' || $1, 0)`

/**
 * Takes the lock for each new listening connection of the worker; Postgres releases it with the
 * connection.
 */
export function showPresence(events: WorkerEvents, log: Log): void {
  events.on('pool:listen:success', ({ client, workerPool }) => {
    client
      .query(`SELECT pg_advisory_lock_shared(${lock})`, [workerPool.id])
      .catch((error: unknown) => log.warn({ err: error }, 'the job queue could not show that it is alive'))
  })
}

/**
 * Releases the jobs of terminated workers, and returns their number. Jobs of the last 15 seconds
 * are skipped, because their worker may not have its lock yet.
 */
export async function releaseAbandonedJobs(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ worker: string }>(
    `SELECT DISTINCT locked_by AS worker FROM ${queueSchema}.jobs WHERE locked_at < now() - interval '15 seconds'`,
  )
  let released = 0
  for (const { worker } of rows) {
    // One statement is one transaction. The exclusive lock fails while the worker runs or another
    // process does the same.
    const { rowCount } = await pool.query(
      `SELECT ${queueSchema}.force_unlock_workers(ARRAY[$1::text]) WHERE pg_try_advisory_xact_lock(${lock})`,
      [worker],
    )
    released += rowCount ?? 0
  }
  return released
}
