/** Rules for the composition of a password. These checks are cheap and run before hashing. */
import type { Problem } from '../problems.ts'
import { passwordNotText, passwordTooLong } from './errors.ts'

/**
 * In code points after NFC. OWASP ASVS V6.2.9 requires at least 64. A higher limit makes hashing
 * expensive.
 */
export const maximumLength = 128

/** The administrator's settings, in code points after NFC. */
export type CompositionRules = Readonly<{
  minimum: number
  uppercase: boolean
  lowercase: boolean
  digit: boolean
  special: boolean
}>

type Params = Readonly<Record<string, string | number>>

/** One rule as shown before the user types. The text is `pages.newPassword.rules.<rule>`. */
export type ShownRule = Readonly<{ rule: string; params?: Params }>

const classes = {
  uppercase: { pattern: /\p{Lu}|\p{Lt}/u, code: 'password_needs_uppercase' },
  lowercase: { pattern: /\p{Ll}/u, code: 'password_needs_lowercase' },
  digit: { pattern: /\p{Nd}/u, code: 'password_needs_digit' },
  // Everything except letters and digits, including spaces between words.
  special: { pattern: /[^\p{L}\p{M}\p{Nd}]/u, code: 'password_needs_special' },
} as const
const classNames = Object.keys(classes) as (keyof typeof classes)[]

/**
 * Returns the password as hashed: NFC (RFC 8265 §4.2.2), otherwise as received, not trimmed and not
 * folded. Throws passwordNotText and passwordTooLong.
 */
export function normalizePassword(password: string): string {
  const read = readPassword(password)
  if (!('problem' in read)) return read.normalized
  throw read.problem.code === 'password_not_text' ? passwordNotText() : passwordTooLong({ params: read.problem.params })
}

/** The same, but returns the problem instead of throwing it. */
export function readPassword(password: string): { normalized: string } | { problem: Problem & { params: Params } } {
  const tooLong = { path: 'password', code: 'password_too_long', params: { maximum: maximumLength } }
  // NFC maps at most four code points of two UTF-16 units each to one,
  // so a longer text is too long without normalizing it.
  if (password.length > maximumLength * 8) return { problem: tooLong }
  if (!password.isWellFormed() || password.includes('\0')) {
    return { problem: { path: 'password', code: 'password_not_text', params: {} } }
  }
  const normalized = password.normalize('NFC')
  return codePoints(normalized) > maximumLength ? { problem: tooLong } : { normalized }
}

/**
 * Invisible marks that change the text direction (Unicode's Bidi_Control). The user could not type
 * the password again. Existing passwords with them still sign in.
 */
export const hasDirectionMarks = (password: string): boolean => /\p{Bidi_Control}/u.test(password)

/** Only invisible characters: spaces, controls, default ignorables, and the blank of Braille. */
export const isBlank = (password: string): boolean =>
  /^[\p{White_Space}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]+$/u.test(password)

/** Checks length and composition. `normalized` is the result of normalizePassword. */
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
