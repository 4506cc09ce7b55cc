/**
 * Rows of `login_progress` (unfinished logins), `factor_guard` (attempts of an account) and
 * `remembered_browser` (browsers that skip the second factor).
 */
import type { Queryable, Tx } from '../database/database.ts'
import type { Proof } from './proof.ts'

/** `generation` is the account's, read together with the first proof. */
export type Progress = Readonly<{
  accountId: string
  generation: number
  proven: readonly Proof[]
  provenAtMs: number
}>

type Times = { now: number; expiresAt: number }

export async function findProgress(db: Queryable, interaction: Buffer, now: number): Promise<Progress | undefined> {
  const row = await db('login_progress')
    .where({ interaction })
    .where('expires_at', '>', now)
    .first('account_id', 'generation', 'proven', 'proven_at')
  if (!row) return undefined
  const { account_id: accountId, proven } = row
  return { accountId, generation: Number(row.generation), proven, provenAtMs: Number(row.proven_at) }
}

const rowOf = ({ accountId, generation, proven, provenAtMs }: Progress) => ({
  account_id: accountId,
  generation,
  proven: [...proven],
  proven_at: provenAtMs,
  tries: 0,
})

/** Replaces everything that was proven before in this interaction, by any account. */
export async function putProgress(db: Queryable, interaction: Buffer, progress: Progress, expiresAt: number) {
  const row = rowOf(progress)
  await db('login_progress')
    .insert({ interaction, ...row, expires_at: expiresAt })
    .onConflict('interaction')
    .merge({ ...row, expires_at: expiresAt })
}

/** Starts the count of an interaction that continues from a session. A valid row is unchanged. */
export async function insertProgress(db: Queryable, interaction: Buffer, progress: Progress, times: Times) {
  const row = rowOf(progress)
  await db('login_progress')
    .insert({ interaction, ...row, expires_at: times.expiresAt })
    .onConflict('interaction')
    .merge({ ...row, expires_at: times.expiresAt })
    .where('login_progress.expires_at', '<=', times.now)
}

/** Adds a proof if the interaction is still the account's and it was not reset. Returns whether. */
export async function addProof(
  db: Queryable,
  interaction: Buffer,
  { accountId, generation }: Pick<Progress, 'accountId' | 'generation'>,
  proof: Proof,
): Promise<boolean> {
  const { rowCount } = await db.raw(
    `UPDATE login_progress SET proven = array_append(array_remove(proven, :proof), :proof)
     WHERE interaction = :interaction AND account_id = :accountId AND generation = :generation
       AND EXISTS (SELECT 1 FROM account WHERE id = :accountId AND generation = :generation)`,
    { proof, interaction, accountId, generation },
  )
  return rowCount === 1
}

/**
 * The proofs of the account in the interaction, locked until the end of the transaction. Undefined
 * when the interaction has become another account's, or the account was reset.
 */
export async function lockProgress(
  tx: Tx,
  interaction: Buffer,
  { accountId, generation }: Pick<Progress, 'accountId' | 'generation'>,
): Promise<readonly Proof[] | undefined> {
  const row = await tx('login_progress')
    .where({ interaction, account_id: accountId, generation })
    .forUpdate()
    .first('proven')
  return row?.proven
}

/** Counts an answer before it is checked. Returns false after `most`, or if the login ended. */
export const countProgressAttempt = async (db: Queryable, interaction: Buffer, most: number): Promise<boolean> =>
  (await db('login_progress').where({ interaction }).where('tries', '<', most).increment('tries', 1)) === 1

export async function deleteProgress(db: Queryable, interaction: Buffer): Promise<void> {
  await db('login_progress').where({ interaction }).delete()
}

type AttemptWindow = { now: number; windowMs: number; most: number }

/**
 * Counts an answer before it is checked, in one statement, so that concurrent answers all count.
 * Returns undefined, or the end of the window (milliseconds) when the limit is exceeded.
 */
export async function countFactorAttempt(db: Queryable, accountId: string, { now, windowMs, most }: AttemptWindow) {
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

export async function clearFactorAttempts(db: Queryable, accountId: string): Promise<void> {
  await db('factor_guard').where({ account_id: accountId }).delete()
}

type RememberedBrowser = { accountId: string; generation: number; digest: Buffer; at: number; expiresAt: number }

/** Returns whether it was inserted: not when the account was reset after the sign-in began. */
export async function insertRemembered(db: Queryable, remembered: RememberedBrowser): Promise<boolean> {
  const { rowCount } = await db.raw(
    `INSERT INTO remembered_browser (account_id, digest, generation, created_at, expires_at)
     SELECT id, :digest::bytea, generation, :at::bigint, :expiresAt::bigint
     FROM (SELECT id, generation FROM account WHERE id = :accountId AND generation = :generation FOR SHARE) AS a
     ON CONFLICT (account_id, digest) DO UPDATE SET generation = excluded.generation, created_at = excluded.created_at,
       expires_at = excluded.expires_at`,
    remembered,
  )
  return rowCount === 1
}

type BrowserQuery = { accountId: string; generation: number; digest: Buffer; now: number }

export async function isRemembered(
  db: Queryable,
  { accountId, generation, digest, now }: BrowserQuery,
): Promise<boolean> {
  const row = await db('remembered_browser')
    .where({ account_id: accountId, generation, digest })
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

/** Returns the number of deleted rows. */
export const deleteRememberedBrowsers = (tx: Tx, accountId: string): Promise<number> =>
  tx('remembered_browser').where({ account_id: accountId }).delete()

type RenewedBrowser = { digest: Buffer; next: Buffer; generation: number }

/**
 * Deletes unfinished sign-ins and remembered browsers within the transaction that resets the
 * account. `renewed` stays remembered under a new digest.
 */
export async function endOf(tx: Tx, accountId: string, renewed?: RenewedBrowser): Promise<void> {
  await tx('login_progress').where({ account_id: accountId }).delete()
  if (!renewed) {
    await deleteRememberedBrowsers(tx, accountId)
    return
  }
  await tx('remembered_browser').where({ account_id: accountId }).whereNot({ digest: renewed.digest }).delete()
  // Only a browser that was remembered before this reset: the row of the previous generation.
  await tx('remembered_browser')
    .where({ account_id: accountId, digest: renewed.digest, generation: renewed.generation - 1 })
    .update({ generation: renewed.generation, digest: renewed.next })
}

/** Returns the number of deleted rows, at most `limit` of each kind. */
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
