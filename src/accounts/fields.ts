/**
 * The profile fields, one line each. Documents, import, export, rows, claims, discovery and the
 * profile form use this table. A new field also needs a migration.
 */
import type { FieldCheck } from './field-checks.ts'
import { checkPattern, checkPostalAddress, checkText, checkWebUrl } from './field-checks.ts'

export type PersonField = Readonly<{
  column: string
  /** OpenID Connect Core 1.0 §5.1, or a claim of Latchkey. */
  claim: string
  scope: 'profile' | 'phone' | 'address'
  check: FieldCheck
  /**
   * The input of the profile form (HTML autofill names); its label is
   * `pages.own.profile.field.<claim>`. Absent: only an administrator sets it.
   */
  editable?: Readonly<{ autocomplete: string; type?: 'tel' | 'url'; isRequired?: true }>
  /** True when the value is an object. */
  isObject?: true
}>

const birthdate = checkPattern(/^\d{4}(-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01]))?$/, 'not_birthdate')
const zoneinfo = checkPattern(/^[A-Za-z0-9_+/-]{1,64}$/, 'not_zoneinfo')
const locale = checkPattern(/^(?=.{2,35}$)[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*$/, 'not_locale')
const phoneNumber = checkPattern(/^\+[1-9]\d{1,14}(;ext=\d{1,10})?$/, 'not_phone_number')

// In the order of forms and documents.
// biome-ignore format: a table is read line by line
export const personFields = {
  name: { column: 'name', claim: 'name', scope: 'profile', check: checkText, editable: { autocomplete: 'name', isRequired: true } },
  givenName: { column: 'given_name', claim: 'given_name', scope: 'profile', check: checkText, editable: { autocomplete: 'given-name' } },
  familyName: { column: 'family_name', claim: 'family_name', scope: 'profile', check: checkText, editable: { autocomplete: 'family-name' } },
  middleName: { column: 'middle_name', claim: 'middle_name', scope: 'profile', check: checkText },
  nickname: { column: 'nickname', claim: 'nickname', scope: 'profile', check: checkText, editable: { autocomplete: 'nickname' } },
  preferredUsername: { column: 'preferred_username', claim: 'preferred_username', scope: 'profile', check: checkText },
  profile: { column: 'profile', claim: 'profile', scope: 'profile', check: checkWebUrl },
  picture: { column: 'picture', claim: 'picture', scope: 'profile', check: checkWebUrl },
  gender: { column: 'gender', claim: 'gender', scope: 'profile', check: checkText },
  birthdate: { column: 'birthdate', claim: 'birthdate', scope: 'profile', check: birthdate, editable: { autocomplete: 'bday' } },
  zoneinfo: { column: 'zoneinfo', claim: 'zoneinfo', scope: 'profile', check: zoneinfo, editable: { autocomplete: 'off' } },
  locale: { column: 'locale', claim: 'locale', scope: 'profile', check: locale, editable: { autocomplete: 'language' } },
  website: { column: 'website', claim: 'website', scope: 'profile', check: checkWebUrl, editable: { autocomplete: 'url', type: 'url' } },
  phoneNumber: { column: 'phone_number', claim: 'phone_number', scope: 'phone', check: phoneNumber, editable: { autocomplete: 'tel', type: 'tel' } },
  address: { column: 'address', claim: 'address', scope: 'address', check: checkPostalAddress, isObject: true },
} as const satisfies Readonly<Record<string, PersonField>>

export type FieldName = keyof typeof personFields

/** The table as a list. */
export const listFields = (): readonly (readonly [name: FieldName, field: PersonField])[] =>
  Object.entries(personFields) as [FieldName, PersonField][]

/** The fields that the user edits on the account page. */
export const listEditableFields = () =>
  listFields().flatMap(([name, { claim, editable }]) => (editable ? [{ name, claim, ...editable }] : []))
