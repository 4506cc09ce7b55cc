/** What a password may be made of. Everything here costs nothing and happens before a hash is computed. */
import type { Problem } from '../problems.ts'
import { passwordNotText, passwordTooLong } from './errors.ts'

/** OWASP ASVS V6.2.9 asks for at least 64; more only makes hashing expensive. Code points after NFC. */
export const maximumLength = 128

/** What an administrator may ask for, in code points after NFC. */
export type CompositionRules = Readonly<{
  minimum: number
  uppercase: boolean
  lowercase: boolean
  digit: boolean
  special: boolean
}>

type Params = Readonly<Record<string, string | number>>

/** One rule as it is shown before anything is typed; its sentence is `pages.newPassword.rules.<rule>`. */
export type ShownRule = Readonly<{ rule: string; params?: Params }>

const classes = {
  uppercase: { pattern: /\p{Lu}|\p{Lt}/u, code: 'password_needs_uppercase' },
  lowercase: { pattern: /\p{Ll}/u, code: 'password_needs_lowercase' },
  digit: { pattern: /\p{Nd}/u, code: 'password_needs_digit' },
  // Whatever is neither letter nor digit: a space between words too.
  special: { pattern: /[^\p{L}\p{M}\p{Nd}]/u, code: 'password_needs_special' },
} as const
const classNames = Object.keys(classes) as (keyof typeof classes)[]

/**
 * The password as it is hashed: NFC (RFC 8265 §4.2.2), else as received, nothing trimmed or folded. Throws passwordNotText and
 * passwordTooLong.
 */
export function normalizePassword(password: string): string {
  const read = readPassword(password)
  if (!('problem' in read)) return read.normalized
  throw read.problem.code === 'password_not_text' ? passwordNotText() : passwordTooLong({ params: read.problem.params })
}

/** The same, with what makes it a password that is neither hashed nor looked at any further. */
export function readPassword(password: string): { normalized: string } | { problem: Problem & { params: Params } } {
  const tooLong = { path: 'password', code: 'password_too_long', params: { maximum: maximumLength } }
  // NFC makes one code point of at most four, each of at most two UTF-16 units: beyond that there is nothing to normalize.
  if (password.length > maximumLength * 8) return { problem: tooLong }
  if (!password.isWellFormed() || password.includes('\0')) {
    return { problem: { path: 'password', code: 'password_not_text', params: {} } }
  }
  const normalized = password.normalize('NFC')
  return codePoints(normalized) > maximumLength ? { problem: tooLong } : { normalized }
}

/**
 * Marks that turn the direction of the text around them (Unicode's Bidi_Control): nobody sees whether they are there, so nobody could
 * type the password again. A password that has them already still signs in.
 */
export const hasDirectionMarks = (password: string): boolean => /\p{Bidi_Control}/u.test(password)

/** Nothing that can be seen: spaces, controls, what Unicode leaves out when shown, and the blank of Braille. */
export const isBlank = (password: string): boolean =>
  /^[\p{White_Space}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]+$/u.test(password)

/** Length and composition; `normalized` is what normalizePassword gives. */
export function checkComposition(normalized: string, rules: CompositionRules): Problem[] {
  const { minimum } = rules
  const isShort = codePoints(normalized) < minimum
  return [
    ...(isShort ? [{ path: 'password', code: 'password_too_short', params: { minimum } }] : []),
    ...classNames
      .filter((name) => rules[name] && !classes[name].pattern.test(normalized))
      .map((name) => ({ path: 'password', code: classes[name].code })),
  ]
}

export const shownComposition = (rules: CompositionRules): ShownRule[] => [
  { rule: 'minimum', params: { minimum: rules.minimum, maximum: maximumLength } },
  ...classNames.filter((name) => rules[name]).map((rule) => ({ rule })),
]

const codePoints = (text: string): number => [...text].length
