/** An account as a document (seed, import, `--json`): the claim names of OpenID Connect, checked with every problem at once. */
import type { Problem } from '../problems.ts'
import { isRecord, unknownKey } from '../problems.ts'
import type { Account, AccountInput, Address, Profile } from './account.ts'
import { readMailbox, showEmail } from './email.ts'

const profileClaims: Readonly<Record<Exclude<keyof Profile, 'address'>, string>> = {
  name: 'name',
  givenName: 'given_name',
  familyName: 'family_name',
  middleName: 'middle_name',
  nickname: 'nickname',
  preferredUsername: 'preferred_username',
  profile: 'profile',
  picture: 'picture',
  website: 'website',
  gender: 'gender',
  birthdate: 'birthdate',
  zoneinfo: 'zoneinfo',
  locale: 'locale',
  phoneNumber: 'phone_number',
}
const addressClaims = ['formatted', 'street_address', 'locality', 'region', 'postal_code', 'country'] as const
const flags = { isEmailVerified: 'email_verified', isPhoneNumberVerified: 'phone_number_verified' } as const
const claimNames = [...Object.values(profileClaims), ...Object.values(flags), 'email', 'address', 'roles']

const urlClaims = ['profile', 'picture', 'website']
const forms: Readonly<Record<string, { pattern: RegExp; code: string }>> = {
  birthdate: { pattern: /^\d{4}(-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01]))?$/, code: 'not_birthdate' },
  zoneinfo: { pattern: /^[A-Za-z0-9_+/-]{1,64}$/, code: 'not_zoneinfo' },
  locale: { pattern: /^(?=.{2,35}$)[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*$/, code: 'not_locale' },
  phone_number: { pattern: /^\+[1-9]\d{1,14}(;ext=\d{1,10})?$/, code: 'not_phone_number' },
}
const rolePattern = /^[a-z][a-z0-9_.:-]{0,63}$/
// Control characters, and those that turn the direction of the text around them: any script does without (UAX #9, explicit codes).
const control = /[\p{Cc}\u202A-\u202E\u2066-\u2069]/u

/**
 * Reads a document; keys in `alsoKnown` (a password, say) are the caller's. Gives the input for `accounts.create` and `update`, or
 * every problem: unknown keys with the nearest right one, wrong types, wrong forms.
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
  const input: Record<string, unknown> = { email, address: document.address }
  for (const [field, claim] of Object.entries({ ...profileClaims, ...flags })) input[field] = document[claim]
  input.roles = document.roles
  problems.push(...checkAccount(input))
  return { input: input as AccountInput, problems }
}

/** Everything wrong with an input; the paths are claim names. An empty list means that the database's constraints hold too. */
export const checkAccount = (input: Readonly<Record<string, unknown>>): Problem[] => [
  ...checkEmail(input.email),
  ...checkClaims(input),
]

/** The same without the email address. */
export function checkClaims(input: Readonly<Record<string, unknown>>): Problem[] {
  const problems: Problem[] = []
  for (const [field, claim] of Object.entries(profileClaims)) problems.push(...checkClaim(claim, input[field]))
  for (const [field, claim] of Object.entries(flags)) {
    const value = input[field]
    if (value !== undefined && typeof value !== 'boolean') problems.push({ path: claim, code: 'not_boolean' })
  }
  return [...problems, ...checkAddress(input.address), ...checkRoles(input.roles)]
}

export function checkEmail(email: unknown): Problem[] {
  if (typeof email !== 'string' || email.trim() === '') return [{ path: 'email', code: 'required' }]
  return readMailbox(email) ? [] : [{ path: 'email', code: 'not_email' }]
}

function checkClaim(claim: string, value: unknown): Problem[] {
  if (value === undefined || value === null) return []
  if (typeof value !== 'string') return [{ path: claim, code: 'not_string' }]
  if (urlClaims.includes(claim)) return isWebUrl(value) ? [] : [{ path: claim, code: 'not_web_url' }]
  const form = forms[claim]
  if (form) return form.pattern.test(value) ? [] : [{ path: claim, code: form.code }]
  return isText(value, 200) ? [] : [{ path: claim, code: 'not_text', params: { max: 200 } }]
}

const isText = (value: string, max: number): boolean =>
  value.trim() !== '' && [...value].length <= max && !control.test(value) && value.isWellFormed()

// An application may write it into its page: what would end an attribute or begin an element is left out.
const isWebUrl = (value: string): boolean =>
  /^https?:\/\/[^\s\p{Cc}\\"'`<>]+$/u.test(value) && value.length <= 2000 && value.isWellFormed() && URL.canParse(value)

function checkAddress(address: unknown): Problem[] {
  if (address === undefined || address === null) return []
  if (!isRecord(address) || Object.keys(address).length === 0) return [{ path: 'address', code: 'not_mapping' }]
  return Object.entries(address).flatMap(([key, value]): Problem[] => {
    if (!addressClaims.some((claim) => claim === key)) return [unknownKey('address', key, addressClaims)]
    // Lines of a formatted address are separated by line feeds (OpenID Connect Core §5.1.1).
    const lines = typeof value === 'string' ? value.replace(/\r?\n/g, ' ') : ''
    return isText(lines, 500) ? [] : [{ path: `address.${key}`, code: 'not_text', params: { max: 500 } }]
  })
}

function checkRoles(roles: unknown): Problem[] {
  if (roles === undefined) return []
  if (!Array.isArray(roles) || roles.length > 50) return [{ path: 'roles', code: 'not_list', params: { max: 50 } }]
  return roles.flatMap((role, index) =>
    typeof role === 'string' && rolePattern.test(role) ? [] : [{ path: `roles[${index}]`, code: 'not_role' }],
  )
}

/** The account as a document: claims that are set, and no password hash. */
export function accountDocument(account: Account): Record<string, unknown> & { id: string; address?: Address } {
  const claims = Object.entries(profileClaims).map(([field, claim]) => [claim, account[field as keyof Account]])
  return {
    id: account.id,
    email: account.email,
    email_verified: account.isEmailVerified,
    ...(account.emailProblem === undefined ? {} : { email_problem: account.emailProblem }),
    ...Object.fromEntries(claims.filter(([, value]) => value !== undefined)),
    ...(account.phoneNumber === undefined ? {} : { phone_number_verified: account.isPhoneNumberVerified }),
    ...(account.address === undefined ? {} : { address: account.address }),
    roles: [...account.roles],
    has_password: account.passwordHash !== undefined,
    disabled: account.isDisabled,
    created_at: new Date(account.createdAt).toISOString(),
    updated_at: new Date(account.updatedAt).toISOString(),
  }
}
