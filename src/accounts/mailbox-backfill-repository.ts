/** Rows of `account` without a mailbox, or with one that this version reads differently. */
import type { Queryable, Tx } from '../database/database.ts'
import type { EmailProblem } from './account.ts'

/** `mailbox` is the value of another version, if any. */
export type UnfilledRow = Readonly<{ id: string; email: string; emailKey: string; mailbox: string | null }>
/** `key` is the mailbox's key. */
export type BackfillResult = Readonly<Omit<UnfilledRow, 'email'> & { key: string }>
export type Claimant = Readonly<{ id: string; email: string; isVerified: boolean; createdAt: number }>

const columns = ['id', 'email', 'is_email_verified', 'created_at'] as const
/** The lock of a transaction, so that two processes do not deadlock on rows. Arbitrary number. */
const lockKey = 727_048

/** The condition of the index `account_mailbox_unknown`. */
const unknown = `mailbox IS NULL AND email_problem IS NULL AND (
  email_key !~ '^[^@]+@([a-z0-9]+(-[a-z0-9]+)*[.])*[a-z][a-z0-9]*(-[a-z0-9]+)*$' OR email_key ~ '[.@][^.@]{64}')`

/** The condition of the index `account_mailbox_again`. */
const readOtherwise = String.raw`email_problem IS NULL AND coalesce(mailbox, email_key) ~
  '[\u00B5\u0345\u017F\u03C2\u03D0\u03D1\u03D5\u03D6\u03F0\u03F1\u03F5\u1C80-\u1C88\u1E9B\u034F\u115F\u1160\u17B4\u17B5\u180B-\u180F\u2800\u3164\uFE00-\uFE0F\uFFA0\uFFFC\uFFFD\U000E0000-\U000E0FFF].*@'`

const columnsRead = 'SELECT id, email, email_key, mailbox FROM account'
/** Two conditions, each with its own index. */
const unfilled = `(${columnsRead} WHERE ${unknown} UNION ${columnsRead} WHERE ${readOtherwise}) AS a`

/** Ordered by id, starting after `after`. */
export async function listUnfilled(db: Queryable, after: string | undefined, limit: number): Promise<UnfilledRow[]> {
  const { rows } = await db.raw(
    `SELECT * FROM ${unfilled} WHERE id > coalesce(:after::uuid, '00000000-0000-0000-0000-000000000000') ORDER BY id LIMIT :limit`,
    { after: after ?? null, limit },
  )
  return rows.map(({ id, email, email_key: emailKey, mailbox }: Record<string, string>) => ({
    id,
    email,
    emailKey,
    mailbox,
  }))
}

export async function countUnfilled(db: Queryable): Promise<number> {
  const { rows } = await db.raw(`SELECT count(*) AS count FROM ${unfilled}`)
  return Number(rows[0].count)
}

export const takeBackfillLock = async (tx: Tx): Promise<void> => {
  await tx.raw('SELECT pg_advisory_xact_lock(?)', [lockKey])
}

/** Sets the mailboxes that no other account has, if the email is unchanged. Returns how many. */
export async function fillRows(tx: Tx, results: readonly BackfillResult[]): Promise<number> {
  const { rowCount } = await tx.raw(
    `UPDATE account AS a SET mailbox = s.key
     FROM json_to_recordset(?::json) AS s (id uuid, "emailKey" text, mailbox text, key text)
     WHERE a.id = s.id AND a.email_key = s."emailKey" AND a.mailbox IS NOT DISTINCT FROM s.mailbox
       AND a.email_problem IS NULL
       AND NOT EXISTS (SELECT FROM account AS o
         WHERE coalesce(o.mailbox, o.email_key) = s.key AND o.email_problem IS NULL AND o.id <> a.id)`,
    [JSON.stringify(results)],
  )
  return rowCount ?? 0
}

/** Locks the row. Undefined when the row is already done or has another email. */
export async function findUnfilledForUpdate(tx: Tx, read: UnfilledRow): Promise<Claimant | undefined> {
  const { id, emailKey, mailbox } = read
  const row = await tx('account')
    .where({ id, email_key: emailKey })
    .whereRaw('mailbox IS NOT DISTINCT FROM ?', [mailbox])
    .whereNull('email_problem')
    .forUpdate()
    .first(columns)
  return row && toClaimant(row)
}

/** Locks the other account that has the mailbox. */
export async function findRivalForUpdate(tx: Tx, id: string, key: string): Promise<Claimant | undefined> {
  const row = await tx('account')
    .whereRaw('coalesce(mailbox, email_key) = ?', [key])
    .whereNull('email_problem')
    .whereNot({ id })
    .forUpdate()
    .first(columns)
  return row && toClaimant(row)
}

export async function fillRow(tx: Tx, id: string, key: string): Promise<void> {
  await tx('account').where({ id }).update({ mailbox: key })
}

/** The shown email stays. A duplicate gets another key, which frees the mailbox. */
export async function markRow(tx: Tx, id: string, problem: EmailProblem): Promise<void> {
  const key = problem === 'duplicate' ? { email_key: `${id}@duplicate.invalid` } : {}
  await tx('account')
    .where({ id })
    .update({ ...key, mailbox: null, email_problem: problem })
}

export type MarkedRow = Readonly<{ id: string; email: string; problem: EmailProblem }>

export async function listMarked(db: Queryable, limit: number): Promise<MarkedRow[]> {
  const rows = await db('account')
    .whereNotNull('email_problem')
    .orderBy('id')
    .limit(limit)
    .select('id', 'email', 'email_problem')
  return rows.map(({ id, email, email_problem: problem }) => ({ id, email, problem }))
}

/** The accounts with these mailbox keys. */
export async function listKeepers(db: Queryable, keys: readonly string[]) {
  const { rows } = await db.raw(
    `SELECT id, email, coalesce(mailbox, email_key) AS key FROM account
     WHERE coalesce(mailbox, email_key) = ANY(?) AND email_problem IS NULL`,
    [keys],
  )
  return rows as readonly Readonly<{ id: string; email: string; key: string }>[]
}

/** Accounts whose mailbox belongs to another account. */
export const listDuplicates = (db: Queryable): Promise<{ id: string; email: string }[]> =>
  db('account').where({ email_problem: 'duplicate' }).orderBy('id').select('id', 'email')

export async function countMarked(db: Queryable): Promise<number> {
  const [row] = await db('account').whereNotNull('email_problem').count('* as count')
  return Number(row?.count)
}

const toClaimant = (row: Record<string, unknown>): Claimant => ({
  id: String(row.id),
  email: String(row.email),
  isVerified: row.is_email_verified === true,
  createdAt: Number(row.created_at),
})
