/** Rows of `login_progress`, `factor_guard` and `remembered_browser`: logins under way. */
import type { Queryable, Tx } from '../database/database.ts'
import type { Proof } from './proof.ts'

export type Progress = Readonly<{ accountId: string; proven: readonly Proof[]; provenAtMs: number }>

type Times = { now: number; expiresAt: number }

export async function findProgress(db: Queryable, interaction: Buffer, now: number): Promise<Progress | undefined> {
  const row = await db('login_progress')
    .where({ interaction })
    .where('expires_at', '>', now)
    .first('account_id', 'proven', 'proven_at')
  return row && { accountId: row.account_id, proven: row.proven, provenAtMs: Number(row.proven_at) }
}

/** What was proven before in this interaction, by this person or another, is gone. */
export async function putProgress(db: Queryable, interaction: Buffer, progress: Progress, expiresAt: number) {
  const row = { account_id: progress.accountId, proven: [...progress.proven], proven_at: progress.provenAtMs, tries: 0 }
  await db('login_progress')
    .insert({ interaction, ...row, expires_at: expiresAt })
    .onConflict('interaction')
    .merge({ ...row, expires_at: expiresAt })
}

/** Starts the count of an interaction that goes on from a session; one that is there, and not over, stays as it is. */
export async function insertProgress(db: Queryable, interaction: Buffer, progress: Progress, times: Times) {
  const row = { account_id: progress.accountId, proven: [...progress.proven], proven_at: progress.provenAtMs, tries: 0 }
  await db('login_progress')
    .insert({ interaction, ...row, expires_at: times.expiresAt })
    .onConflict('interaction')
    .merge({ ...row, expires_at: times.expiresAt })
    .where('login_progress.expires_at', '<=', times.now)
}

/** Adds what has just been proven, if the interaction is still this person's. Gives whether it is. */
export async function addProof(db: Queryable, interaction: Buffer, accountId: string, proof: Proof): Promise<boolean> {
  const { rowCount } = await db.raw(
    `UPDATE login_progress SET proven = array_append(array_remove(proven, ?), ?) WHERE interaction = ? AND account_id = ?`,
    [proof, proof, interaction, accountId],
  )
  return rowCount === 1
}

/** Counts an answer that is about to be checked; false when `most` were, or the login is over. */
export const countProgressTry = async (db: Queryable, interaction: Buffer, most: number): Promise<boolean> =>
  (await db('login_progress').where({ interaction }).where('tries', '<', most).increment('tries', 1)) === 1

export async function deleteProgress(db: Queryable, interaction: Buffer): Promise<void> {
  await db('login_progress').where({ interaction }).delete()
}

type Window = { now: number; windowMs: number; most: number }

/**
 * Counts an answer before it is checked. Gives undefined when it may be, or when the window ends that has too many (milliseconds): one
 * statement, so that answers at once are as many as they are.
 */
export async function countFactorTry(db: Queryable, accountId: string, { now, windowMs, most }: Window) {
  const { rows } = await db.raw(
    `INSERT INTO factor_guard AS g (account_id, tries, counted_from) VALUES (:accountId, 1, :now)
     ON CONFLICT (account_id) DO UPDATE SET
       tries = CASE WHEN g.counted_from <= :since THEN 1 ELSE g.tries + 1 END,
       counted_from = CASE WHEN g.counted_from <= :since THEN :now ELSE g.counted_from END
     RETURNING tries, counted_from`,
    { accountId, now, since: now - windowMs },
  )
  return rows[0].tries > most ? Number(rows[0].counted_from) + windowMs : undefined
}

export async function forgetFactorTries(db: Queryable, accountId: string): Promise<void> {
  await db('factor_guard').where({ account_id: accountId }).delete()
}

type Remembered = { accountId: string; digest: Buffer; at: number; expiresAt: number }

export async function insertRemembered(db: Queryable, { accountId, digest, at, expiresAt }: Remembered) {
  const times = { created_at: at, expires_at: expiresAt }
  await db('remembered_browser')
    .insert({ account_id: accountId, digest, ...times })
    .onConflict(['account_id', 'digest'])
    .merge(times)
}

export async function isRemembered(db: Queryable, accountId: string, digest: Buffer, now: number): Promise<boolean> {
  const row = await db('remembered_browser')
    .where({ account_id: accountId, digest })
    .where('expires_at', '>', now)
    .first('created_at')
  return row !== undefined
}

export const countRemembered = async (db: Queryable, accountId: string, now: number): Promise<number> => {
  const row = await db('remembered_browser')
    .where({ account_id: accountId })
    .where('expires_at', '>', now)
    .count({ count: '*' })
    .first()
  return Number(row?.count ?? 0)
}

export async function forgetBrowsers(tx: Tx, accountId: string): Promise<void> {
  await tx('remembered_browser').where({ account_id: accountId }).delete()
}

/** Everything that is under way or remembered for a person, within the transaction that ends their sessions. */
export async function endOf(tx: Tx, accountId: string): Promise<void> {
  await tx('login_progress').where({ account_id: accountId }).delete()
  await forgetBrowsers(tx, accountId)
}

/** Gives how many rows went, at most `limit` of each sort. */
export async function sweep(db: Queryable, now: number, windowMs: number, limit: number): Promise<number> {
  let total = 0
  for (const [table, column, before] of [
    ['login_progress', 'expires_at', now],
    ['remembered_browser', 'expires_at', now],
    ['factor_guard', 'counted_from', now - windowMs],
  ] as const) {
    const { rowCount } = await db.raw(
      'DELETE FROM ?? WHERE ctid IN (SELECT ctid FROM ?? WHERE ?? < ? ORDER BY ?? LIMIT ?)',
      [table, table, column, before, column, limit],
    )
    total += rowCount ?? 0
  }
  return total
}
