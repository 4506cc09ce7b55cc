/**
 * Formats of other systems' hashes, with their verification. Latchkey creates none of them; a
 * sign-in replaces them (`login/service.ts`).
 */
import { pbkdf2, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import bcrypt from 'bcrypt'

/** Why a hash cannot be used. The message is `problems.<code>`. */
export type HashProblem = 'hash_unknown' | 'hash_too_dear'
export type ImportedHash = Readonly<{
  matches: (normalized: string) => Promise<boolean>
  /** The format uses only this many bytes of a password. A match proves only these. */
  maxPasswordBytes?: number
}>

type Format = Readonly<{
  pattern: RegExp
  read: (parts: Record<string, string | undefined>) => ImportedHash | HashProblem
}>

// A sign-in may cost at most about a second, so that no hash can block a slot for minutes.
// A cheap hash is accepted, because it is replaced at the first sign-in.
const maxBcryptCost = 14
const maxScryptBytes = 128 * 1024 * 1024
const maxScryptWork = 2 ** 20
const maxPbkdf2Work = 2_000_000
/** A one-byte result would match one password in 256. */
const minResultBytes = 16
const maxResultBytes = 64

const scryptAsync = promisify<string, Buffer, number, object, Buffer>(scrypt)
const pbkdf2Async = promisify(pbkdf2)

/**
 * Base64 without padding (RFC 4648 §4, as in PHC strings), or passlib's with `.` instead of `+`.
 */
const base64 = '[A-Za-z0-9+/.]+'
const decode = (text = ''): Buffer => Buffer.from(text.replaceAll('.', '+'), 'base64')
const isResult = (bytes: Buffer): boolean => bytes.length >= minResultBytes && bytes.length <= maxResultBytes

const bcryptFormat: Format = {
  pattern: /^\$2[aby]\$(?<cost>\d\d)\$(?<rest>[A-Za-z0-9./]{53})$/,
  read: ({ cost, rest }) => {
    if (Number(cost) < 4 || Number(cost) > 31) return 'hash_unknown'
    if (Number(cost) > maxBcryptCost) return 'hash_too_dear'
    // For typed text $2a$, $2b$ and $2y$ are equal, so each is read as $2b$. The package does not
    // know $2y$, and uses a wrong length for long $2a$ passwords.
    return { matches: (password) => bcrypt.compare(password, `$2b$${cost}$${rest}`), maxPasswordBytes: 72 }
  },
}

const scryptFormat: Format = {
  pattern: new RegExp(
    String.raw`^\$scrypt\$ln=(?<ln>\d{1,2}),r=(?<r>\d{1,4}),p=(?<p>\d{1,4})\$(?<salt>${base64})\$(?<result>${base64})$`,
  ),
  read: (parts) => {
    const [ln, r, p] = [Number(parts.ln), Number(parts.r), Number(parts.p)]
    const [salt, result] = [decode(parts.salt), decode(parts.result)]
    // RFC 7914 §2: N is less than 2^(128 r / 8).
    if (ln < 1 || r < 1 || p < 1 || ln >= 16 * r || !isResult(result)) return 'hash_unknown'
    const N = 2 ** ln
    if (128 * N * r > maxScryptBytes || N * r * p > maxScryptWork) return 'hash_too_dear'
    const options = { N, r, p, maxmem: 2 * maxScryptBytes }
    return {
      matches: async (password) => timingSafeEqual(await scryptAsync(password, salt, result.length, options), result),
    }
  },
}

const digestBytes = { sha1: 20, sha256: 32, sha512: 64 } as const

const pbkdf2Format: Format = {
  // The PHC string format ($i=600000,l=32$), and passlib's ($29000$, no digest for SHA-1).
  pattern: new RegExp(
    String.raw`^\$pbkdf2(?:-(?<digest>sha1|sha256|sha512))?\$(?:i=)?(?<iterations>\d{1,9})(?:,l=(?<bytes>\d{1,3}))?\$(?<salt>${base64})\$(?<result>${base64})$`,
  ),
  read: (parts) => {
    const digest = (parts.digest ?? 'sha1') as keyof typeof digestBytes
    const iterations = Number(parts.iterations)
    const [salt, result] = [decode(parts.salt), decode(parts.result)]
    const isStated = parts.bytes === undefined || Number(parts.bytes) === result.length
    if (iterations < 1 || !isStated || !isResult(result)) return 'hash_unknown'
    // RFC 8018 §5.2: a result longer than the digest repeats the whole work.
    const work = iterations * Math.ceil(result.length / digestBytes[digest])
    if (work > maxPbkdf2Work) return 'hash_too_dear'
    return {
      matches: async (password) =>
        timingSafeEqual(await pbkdf2Async(password, salt, iterations, result.length, digest), result),
    }
  },
}

const formats: readonly Format[] = [bcryptFormat, scryptFormat, pbkdf2Format]

/** Reads a stored hash. Returns how to verify it, or why that is impossible. */
export function readImportedHash(stored: string): ImportedHash | HashProblem {
  for (const { pattern, read } of formats) {
    const parts = pattern.exec(stored)?.groups
    if (parts) return read(parts)
  }
  return 'hash_unknown'
}
