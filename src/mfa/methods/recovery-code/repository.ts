/** Rows of `recovery_code`. */
import type { Queryable, Tx } from '../../../database/database.ts'
import type { FactorOwner } from '../../method.ts'
import { lockOwner } from '../../owner-lock.ts'

export async function insertRecoveryCodes(tx: Tx, accountId: string, digests: readonly Buffer[], at: number) {
  await tx('recovery_code').insert(digests.map((digest) => ({ account_id: accountId, digest, created_at: at })))
}

/** Deletes the code. Returns whether it existed. */
export const takeRecoveryCode = async (db: Queryable, of: FactorOwner, digest: Buffer): Promise<boolean> =>
  (await db('recovery_code')
    .withMaterialized('owner', lockOwner(db, of))
    .whereIn('account_id', db('owner').select('id'))
    .where({ digest })
    .delete()) === 1

/** The creation times, the oldest first. */
export async function listRecoveryCodes(db: Queryable, accountId: string): Promise<number[]> {
  const rows = await db('recovery_code').where({ account_id: accountId }).orderBy('created_at').select('created_at')
  return rows.map((row) => Number(row.created_at))
}

export async function countRecoveryCodes(db: Queryable, accountId: string): Promise<number> {
  const row = await db('recovery_code').where({ account_id: accountId }).count({ count: '*' }).first()
  return Number(row?.count ?? 0)
}

export async function deleteRecoveryCodes(tx: Tx, accountId: string): Promise<void> {
  await tx('recovery_code').where({ account_id: accountId }).delete()
}
