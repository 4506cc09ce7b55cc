/**
 * Runs pending migrations, safely with several processes at once. Owns table `schema_migration`.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Knex } from 'knex'
import type { Migration } from '../../migrations/index.ts'
import { migrations as everyMigration } from '../../migrations/index.ts'
import type { Log } from '../log.ts'
import type { Tx } from './database.ts'

type Deps = { knex: Knex; log: Log }

const table = 'schema_migration'
// Arbitrary, but the same in every version, so that two versions that start at once run one after
// the other.
const lockKey = 727_001

// While a migration waits for a table, every other request for that table waits behind it. So it
// gives up soon, and tries again when a long read such as a backup may be over.
const tableLockMs = 1_000
const retryMs = 2_000
// SQLSTATE (PostgreSQL, appendix A): lock_not_available and deadlock_detected.
const lockFailures: readonly unknown[] = ['55P03', '40P01']

/**
 * The lock belongs to the transaction, so it also works behind a pooler. There is no time limit,
 * because another process's migration may take long.
 */
async function underLock<T>(knex: Knex, work: (tx: Tx) => Promise<T>): Promise<T> {
  return knex.transaction(async (tx) => {
    await tx.raw('SET LOCAL statement_timeout = 0')
    await tx.raw('SET LOCAL idle_in_transaction_session_timeout = 0')
    await tx.raw('SELECT pg_advisory_xact_lock(?)', [lockKey])
    await tx.raw(`SET LOCAL lock_timeout = ${tableLockMs}`)
    return work(tx)
  })
}

/** Applies one migration; false when another process has done so. */
async function apply(migration: Migration, { knex, log }: Deps): Promise<boolean> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await underLock(knex, async (tx) => {
        if (await isApplied(tx, migration)) return false
        await migration.up(tx)
        await tx(table).insert({ name: migration.name })
        return true
      })
    } catch (error) {
      if (!lockFailures.includes((error as { code?: unknown }).code)) throw error
      if (attempt === 1)
        log.warn({ migration: migration.name }, 'the migration waits until no other transaction uses its tables')
      await sleep(retryMs)
    }
  }
}

const isApplied = async (tx: Tx, { name }: Migration): Promise<boolean> =>
  (await tx(table).where({ name }).first('name')) !== undefined

/**
 * Applies pending migrations, each in its own transaction; returns the names that this process
 * applied, in order.
 * Rejects with the error of the failed migration, which is rolled back; earlier ones stay.
 * Use `database.maintenance`, which has no time limit.
 */
export async function migrateUnderLock(
  { knex, log }: Deps,
  migrations: readonly Migration[] = everyMigration,
): Promise<string[]> {
  const pending = await pendingMigrations(knex, migrations)
  if (pending.length === 0) return []
  await underLock(knex, async (tx) => {
    if (!(await tx.schema.hasTable(table))) await tx.schema.createTable(table, (t) => t.text('name').primary())
  })
  const applied: string[] = []
  for (const migration of migrations.filter(({ name }) => pending.includes(name))) {
    if (!(await apply(migration, { knex, log }))) continue
    log.info({ migration: migration.name }, 'migration applied')
    applied.push(migration.name)
  }
  return applied
}

/** The names of migrations that the database lacks, in order; all of them on an empty database. */
export async function pendingMigrations(
  knex: Knex,
  migrations: readonly Migration[] = everyMigration,
): Promise<string[]> {
  const names = migrations.map(({ name }) => name)
  if (!(await knex.schema.hasTable(table))) return names
  const applied = new Set<string>(await knex(table).pluck('name'))
  return names.filter((name) => !applied.has(name))
}
