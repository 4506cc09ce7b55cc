/** Rows of `account`. */
import type { Queryable, Tx } from '../database/database.ts'
import type { Account, AccountChange, AccountInput } from './account.ts'
import { changedEmailColumns, columns, emailColumns, fromRow, getFromRow, inputColumns } from './columns.ts'

/** The expression of the index `account_mailbox_taken`. */
const mailboxKey = 'coalesce(mailbox, email_key)'
const mailboxConstraints = ['account_email_taken', 'account_mailbox_taken']

/** Whether a write failed because another account has the mailbox. */
export const isMailboxTaken = (error: unknown): boolean =>
  mailboxConstraints.includes(String((error as { constraint?: unknown }).constraint))

export const findAccountById = async (db: Queryable, id: string): Promise<Account | undefined> =>
  fromRow(await db('account').select(columns).where({ id }).first())

/** Locks the row until the transaction ends. With `generation`, only if it is the current one. */
export const findAccountForUpdate = async (tx: Tx, id: string, generation?: number): Promise<Account | undefined> => {
  const condition = generation === undefined ? { id } : { id, generation }
  return fromRow(await tx('account').select(columns).where(condition).forUpdate().first())
}

/** Returns the new generation, or undefined when the account does not exist. */
export async function raiseGeneration(tx: Tx, id: string): Promise<number | undefined> {
  const [row] = await tx('account').where({ id }).increment('generation', 1).returning('generation')
  return row && Number(row.generation)
}

/** The account that has the mailbox with this key. */
export const findAccountByMailbox = async (db: Queryable, key: string): Promise<Account | undefined> =>
  fromRow(await db('account').select(columns).whereRaw(`${mailboxKey} = ?`, [key]).whereNull('email_problem').first())

/** Ordered by email address, at most `limit`. */
export const listAccounts = async (db: Queryable, limit: number): Promise<Account[]> =>
  (await db('account').select(columns).orderBy('email_key').limit(limit)).map((row) => getFromRow(row))

export async function insertAccount(
  tx: Tx,
  row: AccountInput & { id: string; passwordHash: string | undefined; at: number },
): Promise<void> {
  await tx('account').insert({
    id: row.id,
    ...inputColumns(row),
    ...emailColumns(row.email),
    password_hash: row.passwordHash ?? null,
    created_at: row.at,
    updated_at: row.at,
  })
}

/** Inserts the row if nothing conflicts. Returns whether it was inserted. `browser` is a digest. */
export async function insertUnlessTaken(
  tx: Tx,
  row: AccountInput & { id: string; passwordHash: string; at: number },
  browser: Buffer | null,
): Promise<boolean> {
  const made = await tx('account')
    .insert({
      id: row.id,
      ...inputColumns(row),
      ...emailColumns(row.email),
      password_hash: row.passwordHash,
      registered_browser: browser,
      created_at: row.at,
      updated_at: row.at,
    })
    .onConflict()
    .ignore()
    .returning('id')
  return made.length === 1
}

export async function findRegisteredBrowser(db: Queryable, id: string): Promise<Buffer | undefined> {
  const row = await db('account').where({ id }).first('registered_browser')
  return row?.registered_browser ?? undefined
}

export async function markVerified(tx: Tx, id: string, at: number): Promise<void> {
  await tx('account').where({ id }).update({ is_email_verified: true, registered_browser: null, updated_at: at })
}

export async function updateName(tx: Tx, id: string, name: string, at: number): Promise<void> {
  await tx('account').where({ id }).update({ name, updated_at: at })
}

export async function updateEmail(
  tx: Tx,
  id: string,
  { email, isVerified }: Readonly<{ email: string; isVerified: boolean }>,
  at: number,
): Promise<void> {
  await tx('account')
    .where({ id })
    .update({
      ...changedEmailColumns(tx, email),
      is_email_verified: isVerified,
      registered_browser: null,
      updated_at: at,
    })
}

export async function deleteAccount(tx: Tx, id: string): Promise<void> {
  await tx('account').where({ id }).delete()
}

export async function updateAccount(tx: Tx, id: string, input: AccountChange, at: number): Promise<void> {
  const email = input.email === undefined ? {} : changedEmailColumns(tx, input.email)
  await tx('account')
    .where({ id })
    .update({ ...inputColumns(input), ...email, updated_at: at })
}

/** Returns whether the row existed. */
export const updatePasswordHash = async (tx: Queryable, id: string, passwordHash: string | null, at: number) =>
  (await tx('account').where({ id }).update({ password_hash: passwordHash, updated_at: at })) === 1

/** Stores a new hash of the same password, unless the stored hash has changed since. */
export const swapPasswordHash = async (db: Queryable, id: string, before: string, after: string): Promise<boolean> =>
  (await db('account').where({ id, password_hash: before }).update({ password_hash: after })) === 1

export async function updateDisabled(tx: Tx, id: string, isDisabled: boolean, at: number): Promise<void> {
  await tx('account').where({ id }).update({ is_disabled: isDisabled, updated_at: at })
}

export async function updateFactorRequired(tx: Tx, id: string, isRequired: boolean, at: number): Promise<void> {
  await tx('account').where({ id }).update({ is_factor_required: isRequired, updated_at: at })
}

/** Sets the time of deletion. Null cancels it. */
export async function updateDeleteAt(tx: Tx, id: string, deleteAt: number | null, at: number): Promise<void> {
  await tx('account').where({ id }).update({ delete_at: deleteAt, updated_at: at })
}

/** Accounts whose deletion is due, at most `limit`. */
export const listIdsToDelete = async (db: Queryable, now: number, limit: number): Promise<string[]> =>
  (await db('account').where('delete_at', '<=', now).orderBy('delete_at').limit(limit).select('id')).map(({ id }) => id)
