/** Rows of `account`. */
import type { Queryable, Tx } from '../database/database.ts'
import type { Account, AccountChange, AccountInput, EmailProblem } from './account.ts'
import { formerKey, readMailbox, showEmail } from './email.ts'
import { listFields } from './fields.ts'

const columns = [
  'id',
  'email',
  'is_email_verified',
  'is_phone_number_verified',
  'roles',
  'password_hash',
  'is_disabled',
  'is_factor_required',
  'delete_at',
  'generation',
  'email_problem',
  'created_at',
  'updated_at',
  ...listFields().map(([, { column }]) => column),
]

/** The expression of the index `account_mailbox_taken`. */
const mailboxKey = 'coalesce(mailbox, email_key)'
const mailboxConstraints = ['account_email_taken', 'account_mailbox_taken']

/** Whether a write failed because another account has the mailbox. */
export const isMailboxTaken = (error: unknown): boolean =>
  mailboxConstraints.includes(String((error as { constraint?: unknown }).constraint))

export const findAccountById = async (db: Queryable, id: string): Promise<Account | undefined> =>
  fromRow(await db('account').select(columns).where({ id }).first())

/** Reads and locks the row until the transaction ends: what is decided on it stays true. With `generation`, only while that is current. */
export const findAccountForUpdate = async (tx: Tx, id: string, generation?: number): Promise<Account | undefined> => {
  const condition = generation === undefined ? { id } : { id, generation }
  return fromRow(await tx('account').select(columns).where(condition).forUpdate().first())
}

/** Gives the new generation; undefined when there is no such account. */
export async function raiseGeneration(tx: Tx, id: string): Promise<number | undefined> {
  const [row] = await tx('account').where({ id }).increment('generation', 1).returning('generation')
  return row && Number(row.generation)
}

/** The account that has the mailbox with this key. */
export const findAccountByMailbox = async (db: Queryable, key: string): Promise<Account | undefined> =>
  fromRow(await db('account').select(columns).whereRaw(`${mailboxKey} = ?`, [key]).whereNull('email_problem').first())

/** Ordered by e-mail address, at most `limit`. */
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

/** Adds a row unless another one has the address; gives whether it did. `browser` is a digest. */
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

/** Gives whether the row was there. */
export const updatePasswordHash = async (tx: Queryable, id: string, passwordHash: string | null, at: number) =>
  (await tx('account').where({ id }).update({ password_hash: passwordHash, updated_at: at })) === 1

/** The same password under today's cost: only if nobody set another one meanwhile. */
export const swapPasswordHash = async (db: Queryable, id: string, before: string, after: string): Promise<boolean> =>
  (await db('account').where({ id, password_hash: before }).update({ password_hash: after })) === 1

export async function updateDisabled(tx: Tx, id: string, isDisabled: boolean, at: number): Promise<void> {
  await tx('account').where({ id }).update({ is_disabled: isDisabled, updated_at: at })
}

export async function updateFactorRequired(tx: Tx, id: string, isRequired: boolean, at: number): Promise<void> {
  await tx('account').where({ id }).update({ is_factor_required: isRequired, updated_at: at })
}

/** When the account goes; null keeps it. */
export async function updateDeleteAt(tx: Tx, id: string, deleteAt: number | null, at: number): Promise<void> {
  await tx('account').where({ id }).update({ delete_at: deleteAt, updated_at: at })
}

/** People whose time has come, at most `limit`. */
export const listIdsToDelete = async (db: Queryable, now: number, limit: number): Promise<string[]> =>
  (await db('account').where('delete_at', '<=', now).orderBy('delete_at').limit(limit).select('id')).map(({ id }) => id)

export type ImportRow = Readonly<{
  id: string
  input: AccountInput & { passwordHash: string | undefined; isDisabled: boolean }
  createdAt: number
  updatedAt: number
}>

const importedColumns = [
  'id',
  'email',
  'email_key',
  'mailbox',
  'is_email_verified',
  'is_phone_number_verified',
  'roles',
  'password_hash',
  'is_disabled',
  'created_at',
  'updated_at',
  ...listFields().map(([, { column }]) => column),
]

/** Adds the rows whose address and id nobody has, in one statement; gives the ids of those. */
export async function importAccounts(tx: Tx, rows: readonly ImportRow[]): Promise<string[]> {
  if (rows.length === 0) return []
  const records = rows.map(({ id, input, createdAt, updatedAt }) => ({
    is_email_verified: false,
    is_phone_number_verified: false,
    roles: [],
    ...inputColumns(input),
    ...emailColumns(input.email),
    // As values and not as their texts: the whole record becomes JSON.
    ...objectColumns(input),
    id,
    password_hash: input.passwordHash ?? null,
    is_disabled: input.isDisabled,
    created_at: createdAt,
    updated_at: updatedAt,
  }))
  const answer = await tx.raw(
    `INSERT INTO account (??) SELECT ?? FROM json_populate_recordset(NULL::account, ?::json)
     ON CONFLICT DO NOTHING RETURNING id`,
    [importedColumns, importedColumns, JSON.stringify(records)],
  )
  return answer.rows.map((row: { id: string }) => row.id)
}

export async function findImportPlace(db: Queryable, fileDigest: Buffer) {
  const row = await db('account_import').where({ file_digest: fileDigest }).first('next_byte', 'next_line')
  return row && { nextByte: Number(row.next_byte), nextLine: Number(row.next_line) }
}

type Place = { fileDigest: Buffer; nextByte: number; nextLine: number }

export async function putImportPlace(tx: Tx, { fileDigest, nextByte, nextLine }: Place, at: number): Promise<void> {
  const place = { next_byte: nextByte, next_line: nextLine, updated_at: at }
  await tx('account_import')
    .insert({ file_digest: fileDigest, ...place })
    .onConflict('file_digest')
    .merge(place)
}

/** Which of the ids accounts have. */
export const listExistingIds = (db: Queryable, ids: readonly string[]): Promise<string[]> =>
  db('account').whereIn('id', ids).pluck('id')

/** In the order of ids, from the one behind `after`. */
export async function listAccountsAfter(db: Queryable, after: string | undefined, limit: number): Promise<Account[]> {
  const rows = db('account').select(columns).orderBy('id').limit(limit)
  return (await (after === undefined ? rows : rows.where('id', '>', after))).map((row) => getFromRow(row))
}

export async function countAccounts(db: Queryable): Promise<number> {
  const { rows } = await db.raw('SELECT count(*) AS count FROM account')
  return Number(rows[0].count)
}

/** `email_key` is what the program before mailboxes looks for, while it runs beside this one. */
function emailColumns(email: string) {
  const shown = showEmail(email)
  return { email: shown, email_key: formerKey(shown), mailbox: readMailbox(email)?.key ?? null }
}

/** The same mailbox keeps its `email_key`: by another one under it the trigger knows the program before. */
function changedEmailColumns(tx: Tx, email: string) {
  const { email: shown, email_key: former, mailbox } = emailColumns(email)
  const emailKey = tx.raw('CASE WHEN mailbox = ? THEN email_key ELSE ? END', [mailbox, former])
  return { email: shown, email_key: emailKey, mailbox, email_problem: null }
}

function inputColumns(input: AccountChange): Record<string, unknown> {
  const row: Record<string, unknown> = {}
  for (const [field, { column, isObject }] of listFields()) {
    const value = input[field]
    if (value !== undefined) row[column] = isObject && value ? JSON.stringify(value) : value
  }
  if (input.isEmailVerified !== undefined) row.is_email_verified = input.isEmailVerified
  // Whoever else vouches for the address has settled whose it is.
  if (input.isEmailVerified) row.registered_browser = null
  if (input.isPhoneNumberVerified !== undefined) row.is_phone_number_verified = input.isPhoneNumberVerified
  if (input.roles !== undefined) row.roles = [...input.roles]
  return row
}

const objectColumns = (input: AccountChange): Record<string, unknown> =>
  Object.fromEntries(
    listFields().flatMap(([field, { column, isObject }]) => (isObject && input[field] ? [[column, input[field]]] : [])),
  )

// Rows of the program before mailboxes may have the domain in another form.
const isShown = /^[^@]*@(?!.*xn--)[\x21-\x7E]*$/i

const fromRow = (row: Record<string, unknown> | undefined): Account | undefined => (row ? getFromRow(row) : undefined)

function getFromRow(row: Record<string, unknown>): Account {
  const set = listFields().filter(([, { column }]) => row[column] !== null)
  return {
    ...Object.fromEntries(set.map(([field, { column }]) => [field, row[column]])),
    id: String(row.id),
    email: isShown.test(String(row.email)) ? String(row.email) : showEmail(String(row.email)),
    emailProblem: (row.email_problem as EmailProblem | null) ?? undefined,
    isEmailVerified: row.is_email_verified === true,
    isPhoneNumberVerified: row.is_phone_number_verified === true,
    roles: row.roles as string[],
    passwordHash: (row.password_hash as string | null) ?? undefined,
    isDisabled: row.is_disabled === true,
    isFactorRequired: row.is_factor_required === true,
    deleteAt: row.delete_at === null ? undefined : Number(row.delete_at),
    generation: Number(row.generation),
    createdAt: Number(row.created_at),
    updatedAt: Number(row.updated_at),
  }
}
