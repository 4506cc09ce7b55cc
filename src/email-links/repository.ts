/** Rows of `account_link`. */
import type { Queryable, Tx } from '../database/database.ts'

export const emailLinkPurposes = [
  'verify',
  'recover',
  'change_email',
  'invite',
  'notice',
  'new_browser',
  'reset_factors',
] as const
export type EmailLinkPurpose = (typeof emailLinkPurposes)[number]

/** `email` is the recipient of the link. `generation` is the account's at the request. */
export type EmailLink = Readonly<{ accountId: string; email: string; generation: number }>

/** Without a generation the link is always created: for notifications, which are always sent. */
export type EmailLinkTarget = Omit<EmailLink, 'generation'> & { generation?: number }

type NewEmailLink = Omit<EmailLink, 'generation'> & {
  /** Null: the current generation. */
  generation: number | null
  purpose: EmailLinkPurpose
  digest: Buffer
  at: number
  expiresAt: number
  /** A count that began before this time restarts. */
  countedSince: number
  most: number
  /** 0 for a retry of the same email, or when it was counted at the request. */
  weight: 0 | 1
  /** The time of the request. A link requested later is not replaced. Null: replaces every link. */
  askedAt: number | null
}

/**
 * One statement replaces the earlier link, unless the limit is reached or the account was reset
 * after the request. Returns whether it was stored.
 */
export async function putLink(tx: Tx, link: NewEmailLink): Promise<boolean> {
  const { rows } = await tx.raw(
    `INSERT INTO account_link AS l
       (account_id, purpose, digest, email, generation, created_at, expires_at, counted_from, count)
     SELECT a.id, :purpose, :digest::bytea, :email, a.generation, :at::bigint, :expiresAt::bigint, :at::bigint, 1
     FROM (SELECT id, generation FROM account WHERE id = :accountId AND (:generation::int IS NULL OR generation = :generation::int) FOR SHARE) AS a
     ON CONFLICT (account_id, purpose) DO UPDATE SET digest = excluded.digest, email = excluded.email,
       generation = excluded.generation, created_at = excluded.created_at, tries = 0, expires_at = excluded.expires_at,
       counted_from = CASE WHEN l.counted_from <= :countedSince THEN excluded.counted_from ELSE l.counted_from END,
       count = CASE WHEN l.counted_from <= :countedSince THEN 1 ELSE l.count + :weight END
     WHERE (l.counted_from <= :countedSince OR l.count + :weight <= :most)
       AND (:askedAt::bigint IS NULL OR l.created_at <= :askedAt::bigint)
     RETURNING 1`,
    link,
  )
  return rows.length === 1
}

/**
 * Revokes the account's link of this purpose and counts the next one, in one statement. Returns
 * whether it is within the limit; false also after a reset of the account.
 */
export async function beginLink(tx: Tx, link: Omit<NewEmailLink, 'digest' | 'weight' | 'askedAt'>): Promise<boolean> {
  const { rows } = await tx.raw(
    `INSERT INTO account_link AS l
       (account_id, purpose, digest, email, generation, created_at, expires_at, counted_from, count)
     SELECT a.id, :purpose, NULL, :email, a.generation, :at::bigint, :expiresAt::bigint, :at::bigint, 1
     FROM (SELECT id, generation FROM account WHERE id = :accountId AND generation = :generation::int FOR SHARE) AS a
     ON CONFLICT (account_id, purpose) DO UPDATE SET digest = NULL, email = excluded.email,
       generation = excluded.generation, created_at = excluded.created_at, tries = 0, expires_at = excluded.expires_at,
       counted_from = CASE WHEN l.counted_from <= :countedSince THEN excluded.counted_from ELSE l.counted_from END,
       count = CASE WHEN l.counted_from <= :countedSince THEN 1 ELSE least(l.count + 1, :most + 1) END
     RETURNING count <= :most AS is_within`,
    link,
  )
  return rows[0]?.is_within ?? false
}

export const findLink = async (db: Queryable, purpose: EmailLinkPurpose, digest: Buffer, now: number) =>
  fromRow(
    await db('account_link')
      .select('account_id', 'email', 'generation')
      .where({ purpose, digest })
      .where('expires_at', '>', now)
      .first(),
  )

/**
 * One conditional update spends a link: of concurrent calls only one gets the row, and only in the
 * generation of the request. Locks the account's row first, like a reset.
 */
export async function takeLink(
  tx: Tx,
  purpose: EmailLinkPurpose,
  digest: Buffer,
  now: number,
): Promise<EmailLink | undefined> {
  const { rows } = await tx.raw(
    `WITH owner AS MATERIALIZED (
       SELECT a.id FROM account AS a JOIN account_link AS l ON l.account_id = a.id AND l.generation = a.generation
       WHERE l.purpose = :purpose AND l.digest = :digest FOR UPDATE OF a)
     UPDATE account_link SET digest = NULL
     WHERE account_id IN (SELECT id FROM owner) AND purpose = :purpose AND digest = :digest AND expires_at > :now
     RETURNING account_id, email, generation`,
    { purpose, digest, now },
  )
  return fromRow(rows[0])
}

/** Counts a password attempt before the check, in one statement. Returns false after `most`. */
export async function countAttempt(
  db: Queryable,
  purpose: EmailLinkPurpose,
  digest: Buffer,
  most: number,
): Promise<boolean> {
  const counted = await db('account_link').where({ purpose, digest }).where('tries', '<', most).increment('tries', 1)
  return counted === 1
}

export const undoAttempt = (db: Queryable, purpose: EmailLinkPurpose, digest: Buffer): Promise<number> =>
  db('account_link').where({ purpose, digest }).where('tries', '>', 0).decrement('tries', 1)

/** Without `purposes`, every link of the account. */
export async function endLinks(tx: Tx, accountId: string, purposes: readonly EmailLinkPurpose[] = emailLinkPurposes) {
  await tx('account_link')
    .where({ account_id: accountId })
    .whereIn('purpose', [...purposes])
    .update({ digest: null })
}

/** Deletes at most `limit` rows whose link and count have expired. Returns their number. */
export async function deleteOldLinks(db: Queryable, before: number, limit: number): Promise<number> {
  const { rowCount } = await db.raw(
    `DELETE FROM account_link WHERE (account_id, purpose) IN
       (SELECT account_id, purpose FROM account_link WHERE expires_at < ? AND counted_from < ? LIMIT ?)`,
    [before, before, limit],
  )
  return rowCount ?? 0
}

const fromRow = (row: { account_id: string; email: string; generation: number } | undefined): EmailLink | undefined =>
  row && { accountId: row.account_id, email: row.email, generation: Number(row.generation) }
