/** Batch reads and writes of `account`, and positions of imported files in `account_import`. */
import type { Queryable, Tx } from '../database/database.ts'
import type { Account, AccountInput } from './account.ts'
import { columns, emailColumns, getFromRow, inputColumns, objectColumns } from './columns.ts'
import { listFields } from './fields.ts'

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

/** Inserts, in one statement, the rows whose email and id are new. Returns their ids. */
export async function importAccounts(tx: Tx, rows: readonly ImportRow[]): Promise<string[]> {
  if (rows.length === 0) return []
  const records = rows.map(({ id, input, createdAt, updatedAt }) => ({
    is_email_verified: false,
    is_phone_number_verified: false,
    roles: [],
    ...inputColumns(input),
    ...emailColumns(input.email),
    // As objects, not as JSON text, because the whole record becomes JSON.
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

export async function findImportPosition(db: Queryable, fileDigest: Buffer) {
  const row = await db('account_import').where({ file_digest: fileDigest }).first('next_byte', 'next_line')
  return row && { nextByte: Number(row.next_byte), nextLine: Number(row.next_line) }
}

type ImportPosition = { fileDigest: Buffer; nextByte: number; nextLine: number }

export async function putImportPosition(
  tx: Tx,
  { fileDigest, nextByte, nextLine }: ImportPosition,
  at: number,
): Promise<void> {
  const position = { next_byte: nextByte, next_line: nextLine, updated_at: at }
  await tx('account_import')
    .insert({ file_digest: fileDigest, ...position })
    .onConflict('file_digest')
    .merge(position)
}

/** Returns the given ids that exist. */
export const listExistingIds = (db: Queryable, ids: readonly string[]): Promise<string[]> =>
  db('account').whereIn('id', ids).pluck('id')

/** Ordered by id, starting after `after`. */
export async function listAccountsAfter(db: Queryable, after: string | undefined, limit: number): Promise<Account[]> {
  const rows = db('account').select(columns).orderBy('id').limit(limit)
  return (await (after === undefined ? rows : rows.where('id', '>', after))).map((row) => getFromRow(row))
}

export async function countAccounts(db: Queryable): Promise<number> {
  const { rows } = await db.raw('SELECT count(*) AS count FROM account')
  return Number(rows[0].count)
}
