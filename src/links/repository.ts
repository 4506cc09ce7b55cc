/** Rows of `account_link`. */
import type { Queryable, Tx } from '../database/database.ts'

export const linkPurposes = ['verify', 'recover', 'change_email', 'invite', 'notice'] as const
export type LinkPurpose = (typeof linkPurposes)[number]

/** `email` is the address that the link was sent to. */
export type Link = Readonly<{ accountId: string; email: string }>

type NewLink = Link & {
  purpose: LinkPurpose
  digest: Buffer
  at: number
  expiresAt: number
  /** A count that began before this begins anew. */
  countedSince: number
  most: number
  /** 0 when the same mail is tried again. */
  weight: 0 | 1
}

/** One statement decides: the newest link replaces the one before, unless too many were made. Gives whether it is there. */
export async function putLink(tx: Tx, link: NewLink): Promise<boolean> {
  const { rows } = await tx.raw(
    `INSERT INTO account_link AS l (account_id, purpose, digest, email, created_at, expires_at, counted_from, count)
     VALUES (:accountId, :purpose, :digest, :email, :at, :expiresAt, :at, 1)
     ON CONFLICT (account_id, purpose) DO UPDATE SET digest = excluded.digest, email = excluded.email,
       created_at = excluded.created_at, tries = 0, expires_at = excluded.expires_at,
       counted_from = CASE WHEN l.counted_from <= :countedSince THEN excluded.counted_from ELSE l.counted_from END,
       count = CASE WHEN l.counted_from <= :countedSince THEN 1 ELSE l.count + :weight END
     WHERE l.counted_from <= :countedSince OR l.count + :weight <= :most
     RETURNING 1`,
    link as never,
  )
  return rows.length === 1
}

export const findLink = async (db: Queryable, purpose: LinkPurpose, digest: Buffer, now: number) =>
  fromRow(
    await db('account_link')
      .select('account_id', 'email')
      .where({ purpose, digest })
      .where('expires_at', '>', now)
      .first(),
  )

/** The one conditional write by which a link is used: of any number at once, one gets the row. */
export async function takeLink(tx: Tx, purpose: LinkPurpose, digest: Buffer, now: number): Promise<Link | undefined> {
  const rows = await tx('account_link')
    .where({ purpose, digest })
    .where('expires_at', '>', now)
    .update({ digest: null })
    .returning(['account_id', 'email'])
  return fromRow(rows[0])
}

/** Counts a password that is about to be tried; false when `most` were. One statement, so that tries at once count as many. */
export async function countTry(db: Queryable, purpose: LinkPurpose, digest: Buffer, most: number): Promise<boolean> {
  const counted = await db('account_link').where({ purpose, digest }).where('tries', '<', most).increment('tries', 1)
  return counted === 1
}

export async function endLinks(tx: Tx, accountId: string, purposes: readonly LinkPurpose[]): Promise<void> {
  await tx('account_link')
    .where({ account_id: accountId })
    .whereIn('purpose', [...purposes])
    .update({ digest: null })
}

/** Rows whose link is over and whose count no longer matters; at most `limit`. Gives how many left. */
export async function deleteOldLinks(db: Queryable, before: number, limit: number): Promise<number> {
  const { rowCount } = await db.raw(
    `DELETE FROM account_link WHERE (account_id, purpose) IN
       (SELECT account_id, purpose FROM account_link WHERE expires_at < ? AND counted_from < ? LIMIT ?)`,
    [before, before, limit],
  )
  return rowCount ?? 0
}

const fromRow = (row: { account_id: string; email: string } | undefined): Link | undefined =>
  row && { accountId: row.account_id, email: row.email }
