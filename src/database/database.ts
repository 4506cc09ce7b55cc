/**
 * Access to Postgres: pools, transactions, the change feed, and the state of the database. Created
 * once per process.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Knex } from 'knex'
import knexModule from 'knex'
import type { Pool } from 'pg'
import type { Log } from '../log.ts'
import type { ChangeFeed } from './change-feed.ts'
import { createChangeFeed } from './change-feed.ts'
import { createPool } from './connection.ts'
import { isLostConflict } from './errors.ts'
import type { Pooling } from './pooler.ts'
import { statedPooling } from './pooler.ts'

export type { ChangeFeed } from './change-feed.ts'

/**
 * An open transaction. Repositories receive it, so that a change and its audit row are committed
 * together.
 */
export type Tx = Knex.Transaction
/** What a repository queries: the database, or an open transaction. */
export type Queryable = Knex | Tx
/**
 * Runs `work` in one READ COMMITTED transaction: commits when it resolves, rolls back and rejects
 * with its error when it rejects. Runs `work` again after a deadlock, so its effects outside the
 * transaction may happen twice. Within `work` the pools give no connection: use `tx`.
 */
export type Transaction = <T>(work: (tx: Tx) => Promise<T>) => Promise<T>

export type DatabaseState = 'ok' | 'away' | 'read_only'

export type Database = {
  /**
   * Query builder for everything except artifacts. Rejects with `databaseUnavailable` when the
   * database does not answer, as all of these do.
   */
  knex: Knex
  /** Knex without the 5 s limit, on the direct address: only for migrations. */
  maintenance: Knex
  /** For artifacts: `pg` with named statements; behind a pooler they have no names. */
  pool: Pool
  /** True behind a pooler: there are no session settings and no session. */
  isPooled: boolean
  transaction: Transaction
  changes: ChangeFeed
  /** Whether a writable database answers a statement within one second. Never throws. */
  state: () => Promise<DatabaseState>
  isHealthy: () => Promise<boolean>
  close: () => Promise<void>
}

export type DatabaseOptions = {
  url: string
  /** The address of Postgres without a pooler: LISTEN and migrations need their own session. */
  directUrl?: string | undefined
  /** The pooler in front of Postgres. Default: a pooler if there is also a direct address. */
  pooling?: Pooling | undefined
  /** The name of the process in pg_stat_activity, on its listening connection. */
  listenerName?: string | undefined
  /** Connections for artifacts. The query builder has half as many more, at least two. */
  poolSize: number
  log: Log
}

const healthTimeoutMs = 1_000
const conflictAttempts = 4
// Also true of a standby, and of a database made read-only by its administrator or because its disk
// is full.
const asksWritable = `SELECT current_setting('transaction_read_only') = 'on' AS "isReadOnly"`

// knex's own messages (deprecations, failed connections) are written to our log. A failed
// connection is answered and logged once.
const knexLog = (log: Log) => ({
  warn: (message: unknown) => log.debug({ knex: message }, 'knex'),
  error: (message: unknown) => log.warn({ knex: message }, 'knex'),
  deprecate: (method: string, alternative: string) => log.debug({ method, alternative }, 'knex'),
  debug: () => {},
})

/**
 * Creates the pools. They connect at the first query, so that a server can start before its
 * database.
 */
export function createDatabase(options: DatabaseOptions): Database {
  const { url, directUrl, listenerName, poolSize, log } = options
  const { isPooled, isDirectPooled } = options.pooling ?? statedPooling(options)
  let isClosing = false
  // A pool is ended before its last connections are. Errors of a stopping Postgres are then not
  // reported.
  const onError = (error: Error) => isClosing || log.warn({ err: error }, 'an idle database connection broke')
  const builder = (connectionPool: Pool): Knex =>
    // compileSqlOnError would put bound values, including secrets, into error messages.
    knexModule.knex({ client: 'pg', version: '16', connectionPool, compileSqlOnError: false, log: knexLog(log) })

  // A transaction that waits for a second connection blocks its first: a few such requests would
  // stop the whole process.
  const running = new AsyncLocalStorage<{ isOpen: boolean }>()
  const beforeConnect = () => {
    if (running.getStore()?.isOpen) throw new Error('a transaction asked the pool for a second connection: pass its tx')
  }
  const pool = createPool({ url, isPooled, size: poolSize, onError, beforeConnect })
  const knexPool = createPool({
    url,
    isPooled,
    size: Math.max(2, Math.ceil(poolSize / 2)),
    onError,
    beforeConnect,
  })
  const maintenancePool = createPool({ url: directUrl ?? url, isUnlimited: true, size: 1, onError })
  const knex = builder(knexPool)
  const changes = createChangeFeed({ url: directUrl ?? url, name: listenerName, isPooled: isDirectPooled, log })

  const state = async () => {
    const answer = pool.query<{ isReadOnly: boolean }>(asksWritable).then(
      ({ rows }): DatabaseState => (rows[0]?.isReadOnly ? 'read_only' : 'ok'),
      (): DatabaseState => 'away',
    )
    return Promise.race([answer, sleep(healthTimeoutMs, 'away' as const, { ref: false })])
  }
  const isHealthy = async () => (await state()) === 'ok'

  const close = async () => {
    isClosing = true
    await changes.close()
    await Promise.all([pool.end(), knexPool.end(), maintenancePool.end()])
  }

  const transaction: Transaction = async (work) => {
    for (let attempt = 1; ; attempt += 1) {
      const scope = { isOpen: true }
      try {
        return await knex.transaction((tx) =>
          running.run(scope, async () => {
            try {
              return await work(tx)
            } finally {
              // Work that continues after the transaction may use the pool.
              scope.isOpen = false
            }
          }),
        )
      } catch (error) {
        if (attempt === conflictAttempts || !isLostConflict(error)) throw error
      }
    }
  }
  return { knex, maintenance: builder(maintenancePool), pool, isPooled, transaction, changes, state, isHealthy, close }
}
