/** Rows of `totp`. */
import type { Queryable, Tx } from '../../../database/database.ts'
import type { FactorOwner } from '../../method.ts'
import { lockOwner } from '../../owner-lock.ts'

export type StoredTotp = Readonly<{ sealedSecret: Buffer; createdAt: number; lastUsedAt: number | undefined }>

export async function findTotp(db: Queryable, accountId: string): Promise<StoredTotp | undefined> {
  const row = await db('totp').where({ account_id: accountId }).first('sealed_secret', 'created_at', 'last_used_at')
  return (
    row && {
      sealedSecret: row.sealed_secret,
      createdAt: Number(row.created_at),
      lastUsedAt: row.last_used_at === null ? undefined : Number(row.last_used_at),
    }
  )
}

type NewTotp = { accountId: string; sealedSecret: Buffer; step: number; at: number }

export async function putTotp(tx: Tx, { accountId, sealedSecret, step, at }: NewTotp): Promise<void> {
  const columns = { sealed_secret: sealedSecret, last_step: step, created_at: at, last_used_at: null }
  await tx('totp')
    .insert({ account_id: accountId, ...columns })
    .onConflict('account_id')
    .merge(columns)
}

/** One conditional update spends a code and every earlier one. */
export const advanceTotp = async (db: Queryable, of: FactorOwner, step: number, at: number): Promise<boolean> =>
  (await db('totp')
    .withMaterialized('owner', lockOwner(db, of))
    .whereIn('account_id', db('owner').select('id'))
    .where('last_step', '<', step)
    .update({ last_step: step, last_used_at: at })) === 1

export async function deleteTotp(tx: Tx, accountId: string): Promise<void> {
  await tx('totp').where({ account_id: accountId }).delete()
}
