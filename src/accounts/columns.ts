/** The columns of `account`, and the conversion between accounts and rows. */
import type { Tx } from '../database/database.ts'
import type { Account, AccountChange, EmailProblem } from './account.ts'
import { formerKey, readMailbox, showEmail } from './email.ts'
import { listFields } from './fields.ts'

export const columns = [
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

/** The version before `mailbox` existed looks up `email_key` while both versions run. */
export function emailColumns(email: string) {
  const shown = showEmail(email)
  return { email: shown, email_key: formerKey(shown), mailbox: readMailbox(email)?.key ?? null }
}

/**
 * For the same mailbox `email_key` stays: the trigger takes a different key as a write by the
 * version before `mailbox`.
 */
export function changedEmailColumns(tx: Tx, email: string) {
  const { email: shown, email_key: former, mailbox } = emailColumns(email)
  const emailKey = tx.raw('CASE WHEN mailbox = ? THEN email_key ELSE ? END', [mailbox, former])
  return { email: shown, email_key: emailKey, mailbox, email_problem: null }
}

export function inputColumns(input: AccountChange): Record<string, unknown> {
  const row: Record<string, unknown> = {}
  for (const [field, { column, isObject }] of listFields()) {
    const value = input[field]
    if (value !== undefined) row[column] = isObject && value ? JSON.stringify(value) : value
  }
  if (input.isEmailVerified !== undefined) row.is_email_verified = input.isEmailVerified
  // The email is proven, so the registering browser no longer matters.
  if (input.isEmailVerified) row.registered_browser = null
  if (input.isPhoneNumberVerified !== undefined) row.is_phone_number_verified = input.isPhoneNumberVerified
  if (input.roles !== undefined) row.roles = [...input.roles]
  return row
}

export const objectColumns = (input: AccountChange): Record<string, unknown> =>
  Object.fromEntries(
    listFields().flatMap(([field, { column, isObject }]) => (isObject && input[field] ? [[column, input[field]]] : [])),
  )

// Rows of the version before `mailbox` may have another form of the domain.
const isShown = /^[^@]*@(?!.*xn--)[\x21-\x7E]*$/i

export const fromRow = (row: Record<string, unknown> | undefined): Account | undefined =>
  row ? getFromRow(row) : undefined

export function getFromRow(row: Record<string, unknown>): Account {
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
