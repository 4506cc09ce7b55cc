/** The tables of the job queue: graphile-worker brings its own migrations, run beside ours and never by a worker on its own. */
import { runMigrations } from 'graphile-worker'
import type pg from 'pg'
import type { Log } from '../log.ts'
import { createQueuePool, queueLogger, queueSchema } from './connection.ts'

/** The newest migration of the graphile-worker we depend on; a test fails when an upgrade brings another one. */
export const queueSchemaVersion = 20

/**
 * Brings the queue's tables to the version we need; does nothing when they are. Safe beside other processes that do the same.
 * `url` is a direct connection. Throws what the database throws.
 */
export async function migrateQueue({ url, log }: { url: string; log: Log }): Promise<void> {
  const pool = createQueuePool({ url, log, size: 1 })
  try {
    if (await isQueueSchemaCurrent(pool)) return
    await runMigrations({ pgPool: pool, schema: queueSchema, logger: queueLogger(log) })
  } finally {
    await pool.end()
  }
}

/** Whether the queue's tables are new enough for this program. A newer schema counts: an old process works through a deploy. */
export async function isQueueSchemaCurrent(pool: Pick<pg.Pool, 'query'>): Promise<boolean> {
  const exists = await pool.query(`SELECT to_regclass('${queueSchema}.migrations') IS NOT NULL AS yes`)
  if (!exists.rows[0].yes) return false
  const newest = await pool.query(`SELECT max(id) AS id FROM ${queueSchema}.migrations`)
  return newest.rows[0].id >= queueSchemaVersion
}
