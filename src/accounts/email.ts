/** Parses a typed email address into its mailbox. All code that reads addresses uses it. */
import { toASCII, toUnicode } from 'tr46'

export type Mailbox = Readonly<{
  /** For lookup, uniqueness and counting: equal for every spelling of the mailbox. */
  key: string
  /** For display: the domain in Unicode. */
  shown: string
  /** For the mail server: the domain in ASCII (RFC 5891 §4.4). */
  wire: string
}>

/** UTS #46 §4, with the rules of host names (STD3): letters, digits and hyphens. */
const labels = { checkBidi: true, checkHyphens: true, checkJoiners: true, useSTD3ASCIIRules: true } as const
const dns = {
  checkBidi: true,
  checkHyphens: true,
  checkJoiners: true,
  useSTD3ASCIIRules: true,
  verifyDNSLength: true,
} as const

// No invisible characters, and no syntax of lists, comments or headers (RFC 5322 §3.4).
const localPart = /^[^@\s\p{C}\p{Default_Ignorable_Code_Point}\u2800\uFFFC\uFFFD()<>[\],;:"\\]+$/u
// Invisible characters that UTS #46 ignores. It checks joiners by their neighbours.
const invisible = /(?![\u200C\u200D])\p{C}/u
const finalDot = /[.\u3002\uFF0E\uFF61]$/u
/** WHATWG URL, "ends in a number": such a host is an IP address. */
const ipPattern = /(^|\.)([0-9]+|0x[0-9a-f]*)$/
// Most domains are already ASCII. UTS #46 takes ten times as long to find that.
const settled = /^(?!.*[^.]{64})([a-z0-9]+(-[a-z0-9]+)*\.)*[a-z][a-z0-9]*(-[a-z0-9]+)*$/
const isPlain = /^(?!.*xn--)[\x21-\x7E]*$/i
/** RFC 5321 §4.5.3.1: the local part, and the whole address. */
const longestLocal = 64
const longestEmail = 254
const longestTyped = 1000

/** Undefined for text that is not an email address. */
export function readMailbox(typed: string): Mailbox | undefined {
  const text = typed.length > longestTyped || !typed.isWellFormed() ? '' : typed.trim().normalize('NFC')
  const at = text.indexOf('@')
  const [local, domain] = [text.slice(0, Math.max(0, at)), text.slice(at + 1).replace(finalDot, '')]
  if (!localPart.test(local) || invisible.test(domain)) return undefined
  const ascii = settled.test(domain) ? domain : toASCII(domain, dns)
  if (ascii === null || ipPattern.test(ascii)) return undefined
  const name = foldCase(local)
  const key = `${name}@${ascii}`
  if ([...name].length > longestLocal || [...key].length > longestEmail) return undefined
  const shown = isPlain.test(domain) ? domain : toUnicode(ascii, labels).domain
  return { key, shown: `${local}@${shown}`, wire: `${local}@${ascii}` }
}

/** The mailbox's key. For an invalid address, a key that no valid address has. */
export const normaliseEmail = (typed: string): string => readMailbox(typed)?.key ?? formerKey(typed)

export const showEmail = (typed: string): string => readMailbox(typed)?.shown ?? typed.trim()

/** The key as made by the version before `mailbox`, while both versions run. */
export const formerKey = (email: string): string => fold(email.trim())

const fold = (text: string): string => text.normalize('NFC').toLowerCase().normalize('NFC')

// Lowercase letters with a second form share one capital: "ς" and "σ" are both "Σ"
// (Unicode, simple case folding).
const otherForms = 'µςſ\u0345ϐϑϕϖϰϱϵẛ\u1C80\u1C81\u1C82\u1C83\u1C84\u1C85\u1C86\u1C87\u1C88'
const firstForms = 'μσsιβθφπκρεṡвдосттъѣꙋ'
const firstFormOf = new Map([...otherForms].map((letter, index) => [letter, [...firstForms][index]]))
const otherForm = new RegExp(`[${otherForms}]`, 'gu')

const foldCase = (text: string): string =>
  fold(text)
    .replace(otherForm, (letter) => firstFormOf.get(letter) ?? letter)
    .normalize('NFC')
