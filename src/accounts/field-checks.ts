/** Checks of an account's fields. Each returns every problem, under the claim's name. */
import type { Problem } from '../problems.ts'
import { isRecord, unknownKey } from '../problems.ts'

/** Checks a present value. With no problems, the database's constraints hold too. */
export type FieldCheck = (value: unknown, claim: string) => Problem[]

// Controls and direction marks. No script needs them (UAX #9, explicit codes).
const control = /[\p{Cc}\u202A-\u202E\u2066-\u2069]/u

const isText = (value: string, max: number): boolean =>
  value.trim() !== '' && [...value].length <= max && !control.test(value) && value.isWellFormed()

// Applications may write the URL into a page, so it must not end an attribute or begin an element.
const isWebUrl = (value: string): boolean =>
  /^https?:\/\/[^\s\p{Cc}\\"'`<>]+$/u.test(value) && value.length <= 2000 && value.isWellFormed() && URL.canParse(value)

const checkString =
  (isRight: (value: string) => boolean, code: string, params?: Problem['params']): FieldCheck =>
  (value, path) => {
    if (typeof value !== 'string') return [{ path, code: 'not_string' }]
    return isRight(value) ? [] : [{ path, code, ...(params && { params }) }]
  }

export const checkText = checkString((value) => isText(value, 200), 'not_text', { max: 200 })
export const checkWebUrl = checkString(isWebUrl, 'not_web_url')
export const checkPattern = (pattern: RegExp, code: string): FieldCheck =>
  checkString((value) => pattern.test(value), code)

/** The members of the address claim (OpenID Connect Core 1.0 §5.1.1). */
export const addressClaims = ['formatted', 'street_address', 'locality', 'region', 'postal_code', 'country'] as const

export const checkPostalAddress: FieldCheck = (postalAddress, path) => {
  if (!isRecord(postalAddress) || Object.keys(postalAddress).length === 0) return [{ path, code: 'not_mapping' }]
  return Object.entries(postalAddress).flatMap(([key, value]): Problem[] => {
    if (!addressClaims.some((claim) => claim === key)) return [unknownKey(path, key, addressClaims)]
    // Line feeds separate the lines of a formatted address (OpenID Connect Core §5.1.1).
    const lines = typeof value === 'string' ? value.replace(/\r?\n/g, ' ') : ''
    return isText(lines, 500) ? [] : [{ path: `${path}.${key}`, code: 'not_text', params: { max: 500 } }]
  })
}
