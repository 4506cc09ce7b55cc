/**
 * The database of a process: opened or started, migrated, and closed. For the server and the
 * command line.
 */
import { join } from 'node:path'
import { listenerName } from '../keys/presence.ts'
import type { Config } from './config/config.ts'
import type { Database } from './database/database.ts'
import { createDatabase } from './database/database.ts'
import { startEmbeddedPostgres } from './database/embedded/index.ts'
import { migrationsPending } from './database/errors.ts'
import { migrateUnderLock, pendingMigrations } from './database/migrate.ts'
import { findPooling } from './database/pooler.ts'
import { migrateQueue } from './jobs/migrate.ts'
import type { Log } from './log.ts'

export type Stores = {
  database: Database
  /** Bypasses any pooler, for LISTEN and sessions. */
  directUrl: string
  close: () => Promise<void>
}

type Options = { config: Pick<Config, 'database' | 'dataFolder' | 'masterKey' | 'previousMasterKey'>; log: Log }

/**
 * Opens the configured database, or the embedded one in the data folder, which this process shares
 * with others.
 */
export async function openStores({ config, log }: Options): Promise<Stores> {
  const { url, directUrl, poolSize } = config.database
  const embedded =
    url === undefined ? await startEmbeddedPostgres({ folder: join(config.dataFolder, 'postgres'), log }) : undefined
  const databaseUrl = url ?? embedded!.url
  const pooling = embedded ? undefined : await findPooling({ url: databaseUrl, directUrl })
  if (pooling?.isPooled)
    log.info({ isPooled: true }, 'a pooler stands before Postgres: statements go unnamed and without session settings')
  const database = createDatabase({
    url: databaseUrl,
    directUrl,
    pooling,
    listenerName: listenerName(config),
    poolSize,
    log,
  })
  return {
    database,
    directUrl: directUrl ?? databaseUrl,
    close: async () => {
      await database.close()
      await embedded?.close()
    },
  }
}

/**
 * Migrates our tables and the queue's; returns the names of the migrations that this process
 * applied.
 */
export async function migrate({ database, directUrl }: Stores, log: Log): Promise<string[]> {
  const applied = await migrateUnderLock({ knex: database.maintenance, log })
  await migrateQueue({ url: directUrl, log })
  return applied
}

/**
 * At start: migrates where that is allowed. Otherwise throws migrations_pending when a migration is
 * missing.
 */
export async function prepareSchema(stores: Stores, { migrateAtStart }: Config['database'], log: Log): Promise<void> {
  if (migrateAtStart) {
    await migrate(stores, log)
    return
  }
  const pending = await pendingMigrations(stores.database.knex)
  if (pending.length > 0) throw migrationsPending({ params: { migrations: pending.join(', ') } })
}
