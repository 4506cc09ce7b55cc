/** Words that an attacker tries first: the email, the names, the service (OWASP ASVS V6.2.11). */
import type { Problem } from '../problems.ts'

/**
 * The user of the password, as far as known: an account or a registration. Values that are not text
 * are ignored.
 */
export type Person = Readonly<{ email: string }> & { readonly [K in NameField]?: string | null | undefined }

const nameFields = ['name', 'givenName', 'middleName', 'familyName', 'nickname', 'preferredUsername'] as const
type NameField = (typeof nameFields)[number]

/** In code points. Shorter words occur in too many good passwords. */
const shortestWord = 4

/**
 * Refuses a password that contains, in any case, the local part of the email, a part of a name, or
 * the service's name.
 */
export function checkContext(normalized: string, person: Person, serviceName: string): Problem[] {
  const password = fold(normalized)
  const contains = (words: readonly string[]) => words.some((word) => isLong(word) && password.includes(word))
  const [local = ''] = textOf(person.email).split('@')
  const problem = (code: string, params?: Problem['params']) => [{ path: 'password', code, ...(params && { params }) }]
  return [
    ...(contains([fold(local.trim())]) ? problem('password_contains_email') : []),
    ...(contains(namesOf(person).flatMap(wordsOf)) ? problem('password_contains_name') : []),
    ...(contains(wholes(fold(serviceName))) ? problem('password_contains_service', { service: serviceName }) : []),
  ]
}

const namesOf = (person: Person): string[] => nameFields.map((field) => textOf(person[field])).map(fold)

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

/** The words of a name, and the whole name: "Bo Li" has no word that is long enough. */
const wordsOf = (name: string): string[] => [...wholes(name), ...name.split(/[^\p{L}\p{M}\p{N}]+/u)]

/** As written, and without spaces. */
const wholes = (text: string): string[] => [text.trim(), text.replace(/\s+/g, '')]

const isLong = (word: string): boolean => [...word].length >= shortestWord

/**
 * Removes differences of case and compatibility ("ﬁ" is "fi", "STRASSE" is "straße") to compare.
 */
export const fold = (text: string): string => text.normalize('NFKC').toUpperCase().toLowerCase().normalize('NFC')
