/** Advisory locks of `keys/`, in Postgres' two-number space, which does not overlap with the one-number locks of other folders. */
import type { Knex } from 'knex'

const lockSpace = 0x4c_4b_45_59 // "LKEY"
const locks = { rootSecret: 1, keyRing: 2 } as const

/** Waits for the lock and holds it until `tx` ends. */
export async function takeLock(tx: Knex.Transaction, lock: keyof typeof locks): Promise<void> {
  await tx.raw('SELECT pg_advisory_xact_lock(?, ?)', [lockSpace, locks[lock]])
}
