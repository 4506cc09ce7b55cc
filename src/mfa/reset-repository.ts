/** Rows of `factor_reset` and `factor_history`. */
import type { Queryable, Tx } from '../database/database.ts'
import type { FactorOwner } from './method.ts'
import type { MethodId } from './methods/index.ts'

/** Times are milliseconds since the epoch. */
export type FactorReset = Readonly<{ requestedAt: number; dueAt: number }>
export type EnrolledFactor = Readonly<{ method: MethodId; addedAt: number }>

/** The enrolment time of each factor that the account ever had. */
export async function listHistory(db: Queryable, accountId: string): Promise<number[]> {
  const rows = await db('factor_history').where({ account_id: accountId }).select('added_at')
  return rows.map((row) => Number(row.added_at))
}

/** For an account that starts again with another person. */
export async function deleteHistory(tx: Tx, accountId: string): Promise<void> {
  await tx('factor_history').where({ account_id: accountId }).delete()
}

type NewReset = FactorOwner & FactorReset & { expiresAt: number }

/**
 * Within the transaction that locks the account. Returns whether it is new: a pending one stays.
 */
export async function insertReset(tx: Tx, reset: NewReset): Promise<boolean> {
  const { rows } = await tx.raw(
    `INSERT INTO factor_reset AS r (account_id, generation, requested_at, due_at, expires_at)
     VALUES (:accountId, :generation, :requestedAt, :dueAt, :expiresAt)
     ON CONFLICT (account_id) DO UPDATE SET generation = excluded.generation, requested_at = excluded.requested_at,
       due_at = excluded.due_at, expires_at = excluded.expires_at, link_asked_at = NULL
     WHERE r.generation <> excluded.generation OR r.expires_at <= excluded.requested_at
     RETURNING 1`,
    reset,
  )
  return rows.length === 1
}

const live = (db: Queryable, { accountId, generation }: FactorOwner, now: number) =>
  db('factor_reset').where({ account_id: accountId, generation }).where('expires_at', '>', now)

export async function findReset(db: Queryable, owner: FactorOwner, now: number): Promise<FactorReset | undefined> {
  const row = await live(db, owner, now).first('requested_at', 'due_at')
  return row && { requestedAt: Number(row.requested_at), dueAt: Number(row.due_at) }
}

/** Returns whether there was one. */
export const deleteReset = async (tx: Tx, { accountId, generation }: FactorOwner): Promise<boolean> =>
  (await tx('factor_reset').where({ account_id: accountId, generation }).delete()) === 1

/** Deletes a request of any generation, when the account begins a new one. */
export async function deleteAnyReset(tx: Tx, accountId: string): Promise<void> {
  await tx('factor_reset').where({ account_id: accountId }).delete()
}

/** One conditional delete executes a request that is due. Returns when it was requested. */
export async function takeDueReset(tx: Tx, owner: FactorOwner, now: number): Promise<number | undefined> {
  const rows = await live(tx, owner, now).where('due_at', '<=', now).delete().returning('requested_at')
  return rows[0] && Number(rows[0].requested_at)
}

/** Requests that are due and whose link was not sent. */
export async function listDue(db: Queryable, now: number, limit: number): Promise<FactorOwner[]> {
  const rows = await db('factor_reset')
    .whereNull('link_asked_at')
    .where('due_at', '<=', now)
    .where('expires_at', '>', now)
    .orderBy('due_at')
    .limit(limit)
    .select('account_id', 'generation')
  return rows.map((row) => ({ accountId: row.account_id, generation: Number(row.generation) }))
}

/** Of several concurrent processes, only one gets true and sends the link. */
export const markLinkAsked = async (tx: Tx, owner: FactorOwner, now: number): Promise<boolean> =>
  (await live(tx, owner, now).whereNull('link_asked_at').where('due_at', '<=', now).update({ link_asked_at: now })) ===
  1

/** Returns the number of deleted rows, at most `limit`. */
export async function deleteExpiredResets(db: Queryable, now: number, limit: number): Promise<number> {
  const { rowCount } = await db.raw(
    `DELETE FROM factor_reset WHERE account_id IN
       (SELECT account_id FROM factor_reset WHERE expires_at <= ? ORDER BY expires_at LIMIT ?) AND expires_at <= ?`,
    [now, limit, now],
  )
  return rowCount ?? 0
}
