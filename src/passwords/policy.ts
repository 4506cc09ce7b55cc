/** What a password may be. Everything here costs nothing and happens before a hash is computed. */
import { passwordNotText, passwordTooLong, passwordTooShort } from './errors.ts'

/** OWASP ASVS V6.2.9 asks for at least 64; more only makes hashing expensive. Code points after NFC. */
export const maximumLength = 128
/** SP 800-63B-4 §3.1.1.2 asks for 15 where the password is the only factor; 12 is the default, in code points after NFC. */
export const minimumLength = 12

/**
 * The password as it is hashed: NFC (RFC 8265 §4.2.2), else as received, nothing trimmed or folded. Throws passwordNotText and
 * passwordTooLong.
 */
export function normalizePassword(password: string): string {
  // NFC makes one code point of at most four, each of at most two UTF-16 units: beyond that there is nothing to normalize.
  if (password.length > maximumLength * 8) throw passwordTooLong({ params: { maximum: maximumLength } })
  if (!password.isWellFormed() || password.includes('\0')) throw passwordNotText()
  const normalized = password.normalize('NFC')
  if (codePoints(normalized) > maximumLength) throw passwordTooLong({ params: { maximum: maximumLength } })
  return normalized
}

/** For a password that is being chosen. Throws passwordNotText, passwordTooLong and passwordTooShort. */
export function checkNewPassword(password: string, minimum: number = minimumLength): void {
  if (codePoints(normalizePassword(password)) < minimum) throw passwordTooShort({ params: { minimum } })
}

const codePoints = (text: string): number => [...text].length
