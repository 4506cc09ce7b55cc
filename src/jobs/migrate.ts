/**
 * The tables of the job queue: graphile-worker's own migrations, run together with ours and never
 * by a worker.
 */
import { runMigrations } from 'graphile-worker'
import type pg from 'pg'
import type { Log } from '../log.ts'
import { createQueuePool, queueLogger, queueSchema } from './connection.ts'

/** The newest migration of our graphile-worker; a test fails when an upgrade adds another one. */
export const queueSchemaVersion = 20

/**
 * Migrates the queue's tables to our version, or does nothing. Safe with other processes that do
 * the same. `url` is a direct connection. Throws the database's errors.
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

/**
 * Whether the queue's tables are new enough. A newer schema is accepted: an old process works
 * during a deployment.
 */
export async function isQueueSchemaCurrent(pool: Pick<pg.Pool, 'query'>): Promise<boolean> {
  const exists = await pool.query(`SELECT to_regclass('${queueSchema}.migrations') IS NOT NULL AS yes`)
  if (!exists.rows[0].yes) return false
  const newest = await pool.query(`SELECT max(id) AS id FROM ${queueSchema}.migrations`)
  return newest.rows[0].id >= queueSchemaVersion
}
