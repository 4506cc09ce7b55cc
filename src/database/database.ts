/** The way to Postgres: pools, transactions, the change feed, and whether it answers. Built once per process. */
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

/** An open transaction: handed to repositories, so that a change and its audit row are one. */
export type Tx = Knex.Transaction
/** What a repository reads from: the database, or an open transaction. */
export type Queryable = Knex | Tx
/**
 * Runs `work` in one transaction (READ COMMITTED): committed when it resolves, rolled back when it rejects, with its own error. Runs it again,
 * from the start, when Postgres chose it as the victim of a deadlock: what it does outside the transaction happens again too. Within `work`
 * the pools give no connection: everything goes through `tx`.
 */
export type Transaction = <T>(work: (tx: Tx) => Promise<T>) => Promise<T>

export type DatabaseState = 'ok' | 'away' | 'read_only'

export type Database = {
  /** Query builder for everything but artifacts. Rejects with `databaseUnavailable` when the database is away, as all of these do. */
  knex: Knex
  /** Knex without the 5 s limit, on the direct address: for migrations only. */
  maintenance: Knex
  /** The artifact path: `pg` with named statements, which a pooler sees unnamed. */
  pool: Pool
  /** A pooler stands between: no session settings, no session. */
  isPooled: boolean
  transaction: Transaction
  changes: ChangeFeed
  /** Whether a statement is answered within one second by a database that can be written to. Never throws. */
  state: () => Promise<DatabaseState>
  isHealthy: () => Promise<boolean>
  close: () => Promise<void>
}

export type DatabaseOptions = {
  url: string
  /** Past a pooler, to Postgres itself: LISTEN and migrations need a session of their own. */
  directUrl?: string | undefined
  /** What stands between us and Postgres; unstated: a pooler where there is a direct address besides. */
  pooling?: Pooling | undefined
  /** How the process shows itself in pg_stat_activity, by its one connection that listens. */
  listenerName?: string | undefined
  /** Connections of the artifact path; the query builder has half as many besides, at least two. */
  poolSize: number
  log: Log
}

const healthTimeoutMs = 1_000
const conflictAttempts = 4
// True of a standby too, and of a database that was made read-only by its owner or a full disk's watchman.
const asksWritable = `SELECT current_setting('transaction_read_only') = 'on' AS "isReadOnly"`

// What knex prints by itself (deprecations, failed connections) goes to our log; a failed connection is answered, and logged, once.
const knexLog = (log: Log) => ({
  warn: (message: unknown) => log.debug({ knex: message }, 'knex'),
  error: (message: unknown) => log.warn({ knex: message }, 'knex'),
  deprecate: (method: string, alternative: string) => log.debug({ method, alternative }, 'knex'),
  debug: () => {},
})

/** Builds the pools; connects when first asked, so that a server can start before its database does. */
export function createDatabase(options: DatabaseOptions): Database {
  const { url, directUrl, listenerName, poolSize, log } = options
  const { isPooled, isDirectPooled } = options.pooling ?? statedPooling(options)
  let isClosing = false
  // A pool counts as ended before its last connections are: what they still receive from a Postgres that stops is not reported.
  const onError = (error: Error) => isClosing || log.warn({ err: error }, 'an idle database connection broke')
  const builder = (connectionPool: Pool): Knex =>
    // compileSqlOnError puts bound values, and so secrets, into error messages.
    knexModule.knex({ client: 'pg', version: '16', connectionPool, compileSqlOnError: false, log: knexLog(log) })

  // A transaction that waits for a second connection holds its own: a few such requests stop the whole process.
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
              // Work that was begun here and goes on after it is free to ask.
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
