/** Rows of `totp` and `recovery_code`: what people have set up. */
import type { Queryable, Tx } from '../database/database.ts'
import type { FactorOwner } from './method.ts'

export type KeptTotp = Readonly<{ sealedSecret: Buffer; createdAt: number; lastUsedAt: number | undefined }>

export async function findTotp(db: Queryable, accountId: string): Promise<KeptTotp | undefined> {
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
  const kept = { sealed_secret: sealedSecret, last_step: step, created_at: at, last_used_at: null }
  await tx('totp')
    .insert({ account_id: accountId, ...kept })
    .onConflict('account_id')
    .merge(kept)
}

/** A code is spent only in the generation in which it was asked for. The account's row is locked first, as a reset does. */
const owner = (db: Queryable, { accountId, generation }: FactorOwner) =>
  db('account').where({ id: accountId, generation }).forShare().select('id')

/** The one conditional write that spends a code, and every earlier one with it. */
export const advanceTotp = async (db: Queryable, of: FactorOwner, step: number, at: number): Promise<boolean> =>
  (await db('totp')
    .withMaterialized('owner', owner(db, of))
    .whereIn('account_id', db('owner').select('id'))
    .where('last_step', '<', step)
    .update({ last_step: step, last_used_at: at })) === 1

export async function deleteTotp(tx: Tx, accountId: string): Promise<void> {
  await tx('totp').where({ account_id: accountId }).delete()
}

export async function insertRecoveryCodes(tx: Tx, accountId: string, digests: readonly Buffer[], at: number) {
  await tx('recovery_code').insert(digests.map((digest) => ({ account_id: accountId, digest, created_at: at })))
}

/** Gives whether the code was there; it is not any more. */
export const takeRecoveryCode = async (db: Queryable, of: FactorOwner, digest: Buffer): Promise<boolean> =>
  (await db('recovery_code')
    .withMaterialized('owner', owner(db, of))
    .whereIn('account_id', db('owner').select('id'))
    .where({ digest })
    .delete()) === 1

export async function countRecoveryCodes(db: Queryable, accountId: string): Promise<number> {
  const row = await db('recovery_code').where({ account_id: accountId }).count({ count: '*' }).first()
  return Number(row?.count ?? 0)
}

export async function deleteRecoveryCodes(tx: Tx, accountId: string): Promise<void> {
  await tx('recovery_code').where({ account_id: accountId }).delete()
}
