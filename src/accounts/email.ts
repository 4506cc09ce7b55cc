/** An email address as it was typed, and the mailbox that it names: one function for everything that reads an address. */
import { toASCII, toUnicode } from 'tr46'

export type Mailbox = Readonly<{
  /** What lookup, uniqueness and counting use: equal for every spelling of the mailbox. */
  key: string
  /** What people see: the domain in Unicode. */
  shown: string
  /** What a mail server gets: the domain in ASCII (RFC 5891 §4.4). */
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

// Nothing that an email would read as several addresses, as a comment or as a header (RFC 5322 §3.4), nor what cannot be seen.
const localPart = /^[^@\s\p{C}\p{Default_Ignorable_Code_Point}\u2800\uFFFC\uFFFD()<>[\],;:"\\]+$/u
// Invisible characters that UTS #46 would pass over. It judges joiners by their neighbours.
const invisible = /(?![\u200C\u200D])\p{C}/u
const finalDot = /[.\u3002\uFF0E\uFF61]$/u
/** WHATWG URL, "ends in a number": such a host is an IP address. */
const ipPattern = /(^|\.)([0-9]+|0x[0-9a-f]*)$/
// Most domains are their own ASCII form; UTS #46 takes ten times as long to say so.
const settled = /^(?!.*[^.]{64})([a-z0-9]+(-[a-z0-9]+)*\.)*[a-z][a-z0-9]*(-[a-z0-9]+)*$/
const isPlain = /^(?!.*xn--)[\x21-\x7E]*$/i
/** RFC 5321 §4.5.3.1: before the @, and the whole. */
const longestLocal = 64
const longestEmail = 254
const longestTyped = 1000

/** Undefined for what is no email address. */
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

/** The mailbox's key; for what is no address, one that no address has. */
export const normaliseEmail = (typed: string): string => readMailbox(typed)?.key ?? formerKey(typed)

export const showEmail = (typed: string): string => readMailbox(typed)?.shown ?? typed.trim()

/** The key as the program before mailboxes makes it, for as long as it may run beside this one. */
export const formerKey = (email: string): string => fold(email.trim())

const fold = (text: string): string => text.normalize('NFC').toLowerCase().normalize('NFC')

// Small letters with a second form, which have one capital: "ς" and "σ" are both "Σ" (Unicode, simple case folding).
const otherForms = 'µςſ\u0345ϐϑϕϖϰϱϵẛ\u1C80\u1C81\u1C82\u1C83\u1C84\u1C85\u1C86\u1C87\u1C88'
const firstForms = 'μσsιβθφπκρεṡвдосттъѣꙋ'
const firstFormOf = new Map([...otherForms].map((letter, index) => [letter, [...firstForms][index]]))
const otherForm = new RegExp(`[${otherForms}]`, 'gu')

const foldCase = (text: string): string =>
  fold(text)
    .replace(otherForm, (letter) => firstFormOf.get(letter) ?? letter)
    .normalize('NFC')
