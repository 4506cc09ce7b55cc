/**
 * Advisory locks of `keys/`, in Postgres' two-number space. The locks of other folders use the
 * one-number space.
 */
import type { Knex } from 'knex'

const lockSpace = 0x4c_4b_45_59 // "LKEY"
const locks = { rootSecret: 1, keyRing: 2 } as const

/** Waits for the lock. The lock is released when `tx` ends. */
export async function takeLock(tx: Knex.Transaction, lock: keyof typeof locks): Promise<void> {
  await tx.raw('SELECT pg_advisory_xact_lock(?, ?)', [lockSpace, locks[lock]])
}
