/** An account as a document (seed, import, `--json`) with OpenID Connect claim names. */
import type { Problem } from '../problems.ts'
import { unknownKey } from '../problems.ts'
import type { Account, AccountInput, PostalAddress } from './account.ts'
import { readMailbox, showEmail } from './email.ts'
import { listFields } from './fields.ts'

const flags = { isEmailVerified: 'email_verified', isPhoneNumberVerified: 'phone_number_verified' } as const
const claimNames = [...listFields().map(([, { claim }]) => claim), ...Object.values(flags), 'email', 'roles']

const rolePattern = /^[a-z][a-z0-9_.:-]{0,63}$/

/**
 * Reads a document. The caller handles the keys in `alsoKnown`, for example a password. Returns the
 * input for `accounts.create` and `update`, or every problem.
 */
export function readAccountDocument(
  document: Readonly<Record<string, unknown>>,
  alsoKnown: readonly string[] = [],
): { input: AccountInput; problems: Problem[] } {
  const known = [...claimNames, ...alsoKnown]
  const problems = Object.keys(document)
    .filter((key) => !known.includes(key))
    .map((key) => unknownKey('', key, known))
  const email = typeof document.email === 'string' ? showEmail(document.email) : document.email
  const input: Record<string, unknown> = { email }
  for (const [field, { claim }] of listFields()) input[field] = document[claim]
  for (const [field, claim] of Object.entries(flags)) input[field] = document[claim]
  input.roles = document.roles
  problems.push(...checkAccount(input))
  return { input: input as AccountInput, problems }
}

/** Returns all problems by claim name. With none, the database's constraints hold too. */
export const checkAccount = (input: Readonly<Record<string, unknown>>): Problem[] => [
  ...checkEmail(input.email),
  ...checkClaims(input),
]

/** The same without the email address. */
export function checkClaims(input: Readonly<Record<string, unknown>>): Problem[] {
  const problems = listFields().flatMap(([field, { claim, check }]) => {
    const value = input[field]
    return value === undefined || value === null ? [] : check(value, claim)
  })
  for (const [field, claim] of Object.entries(flags)) {
    const value = input[field]
    if (value !== undefined && typeof value !== 'boolean') problems.push({ path: claim, code: 'not_boolean' })
  }
  return [...problems, ...checkRoles(input.roles)]
}

export function checkEmail(email: unknown): Problem[] {
  if (typeof email !== 'string' || email.trim() === '') return [{ path: 'email', code: 'required' }]
  return readMailbox(email) ? [] : [{ path: 'email', code: 'not_email' }]
}

function checkRoles(roles: unknown): Problem[] {
  if (roles === undefined) return []
  if (!Array.isArray(roles) || roles.length > 50) return [{ path: 'roles', code: 'not_list', params: { max: 50 } }]
  return roles.flatMap((role, index) =>
    typeof role === 'string' && rolePattern.test(role) ? [] : [{ path: `roles[${index}]`, code: 'not_role' }],
  )
}

/** The account as a document: the claims that are set, without a password hash. */
export function accountDocument(account: Account): Record<string, unknown> & { id: string; address?: PostalAddress } {
  const claims = listFields().map(([field, { claim }]) => [claim, account[field]])
  return {
    id: account.id,
    email: account.email,
    email_verified: account.isEmailVerified,
    ...(account.emailProblem === undefined ? {} : { email_problem: account.emailProblem }),
    ...Object.fromEntries(claims.filter(([, value]) => value !== undefined)),
    ...(account.phoneNumber === undefined ? {} : { phone_number_verified: account.isPhoneNumberVerified }),
    roles: [...account.roles],
    has_password: account.passwordHash !== undefined,
    disabled: account.isDisabled,
    created_at: new Date(account.createdAt).toISOString(),
    updated_at: new Date(account.updatedAt).toISOString(),
  }
}
