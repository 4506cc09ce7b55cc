/** Words that somebody who guesses at this one person tries first: the address, the names, the service (OWASP ASVS V6.2.11). */
import type { Problem } from '../problems.ts'

/** Whoever the password is for, as far as it is known: an account, or what is to become one. What is not text counts for nothing. */
export type Person = Readonly<{ email: string }> & { readonly [K in NameField]?: string | null | undefined }

const nameFields = ['name', 'givenName', 'middleName', 'familyName', 'nickname', 'preferredUsername'] as const
type NameField = (typeof nameFields)[number]

/** A shorter word stands in too many good passwords. Code points. */
const shortestWord = 4

/** `normalized` contains, in any case, the part of the address before the @, a part of a name, or the service's name. */
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

/** The words of a name, and the name as a whole: "Bo Li" has no word that is long enough. */
const wordsOf = (name: string): string[] => [...wholes(name), ...name.split(/[^\p{L}\p{M}\p{N}]+/u)]

/** As it is written, and run together. */
const wholes = (text: string): string[] => [text.trim(), text.replace(/\s+/g, '')]

const isLong = (word: string): boolean => [...word].length >= shortestWord

/** Without the differences that case and compatibility make: "ﬁ" is "fi", "STRASSE" is "straße". For comparing only. */
export const fold = (text: string): string => text.normalize('NFKC').toUpperCase().toLowerCase().normalize('NFC')
