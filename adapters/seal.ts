/**
 * Encryption at rest: payloads with the store's key, successors of refresh tokens with the spent
 * token. docs/decisions/0020
 */
import type { KeyObject } from 'node:crypto'
import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, randomFillSync } from 'node:crypto'

const cipher = 'aes-256-gcm'
const version = 1
const saltBytes = 16
const ivBytes = 12
const tagBytes = 16
const headerBytes = 1 + saltBytes + ivBytes

// Random 96-bit IVs: after 2^28 of them two are equal with a probability of 2^-41 (NIST SP 800-38D
// §8.3 allows 2^32). Each process has its own salt, and draws a new one after so many.
const sealsPerSalt = 2 ** 28
const maxCachedKeys = 1000

export type Seal = {
  /**
   * Seals `plain` (a text as UTF-8). It opens only with the same `context` (additional
   * authenticated data).
   */
  seal: (plain: string | Buffer, context: Buffer) => Buffer
  /** Undefined when the bytes were altered, moved to another row, or sealed with another key. */
  open: (sealed: Buffer, context: Buffer) => string | undefined
  /** The same for bytes. */
  openBytes: (sealed: Buffer, context: Buffer) => Buffer | undefined
}

// One random page for many seals is twenty times cheaper than twelve bytes at each seal.
const pool = Buffer.alloc(ivBytes * 256)
let used = pool.length
function drawIv(): Buffer {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  const iv = Buffer.from(pool.subarray(used, used + ivBytes))
  used += ivBytes
  return iv
}

function encrypt(
  key: KeyObject,
  iv: Buffer,
  plain: string | Buffer,
  context: Buffer,
  header: readonly Buffer[],
): Buffer {
  const gcm = createCipheriv(cipher, key, iv)
  gcm.setAAD(context)
  const body = typeof plain === 'string' ? gcm.update(plain, 'utf8') : gcm.update(plain)
  gcm.final()
  return Buffer.concat([...header, iv, body, gcm.getAuthTag()])
}

/** `sealed` is IV, body, tag. Throws when it cannot be opened. */
function decrypt(key: KeyObject, sealed: Buffer, context: Buffer): Buffer {
  const gcm = createDecipheriv(cipher, key, sealed.subarray(0, ivBytes), { authTagLength: tagBytes })
  gcm.setAAD(context)
  gcm.setAuthTag(sealed.subarray(sealed.length - tagBytes))
  const plain = gcm.update(sealed.subarray(ivBytes, sealed.length - tagBytes))
  gcm.final()
  return plain
}

const derive = (secret: Buffer | string, salt: Buffer, purpose: string): KeyObject =>
  createSecretKey(Buffer.from(hkdfSync('sha256', secret, salt, purpose, 32)))

/**
 * AES-256-GCM with keys derived from `secret` for `purpose` (RFC 5869), one for each process that
 * seals.
 */
export function createSeal(secret: Buffer, purpose = 'artifact payload'): Seal {
  const keys = new Map<string, KeyObject>()
  let header = Buffer.alloc(0)
  let key: KeyObject | undefined
  let seals = 0

  function keyFor(salt: Buffer): KeyObject {
    const name = salt.toString('latin1')
    const known = keys.get(name)
    if (known) return known
    if (keys.size >= maxCachedKeys) keys.clear()
    const derived = derive(secret, salt, purpose)
    keys.set(name, derived)
    return derived
  }

  function openBytes(sealed: Buffer, context: Buffer): Buffer | undefined {
    if (sealed.length < headerBytes + tagBytes || sealed[0] !== version) return undefined
    try {
      return decrypt(keyFor(sealed.subarray(1, 1 + saltBytes)), sealed.subarray(1 + saltBytes), context)
    } catch {
      // Altered, or sealed with another secret or for another row: it counts as absent.
      return undefined
    }
  }

  return {
    seal(plain, context) {
      if (!key || seals >= sealsPerSalt) {
        const salt = randomFillSync(Buffer.alloc(saltBytes))
        key = keyFor(salt)
        header = Buffer.from([version, ...salt])
        seals = 0
      }
      seals += 1
      return encrypt(key, drawIv(), plain, context, [header])
    },
    open: (sealed, context) => openBytes(sealed, context)?.toString(),
    openBytes,
  }
}

/**
 * What replaces a spent refresh token: the next one, and the DPoP key (RFC 9449 §6.1, a JWK
 * thumbprint) that spent it.
 */
export type Successor = { token: string; thumbprint?: string }

/**
 * Seals texts: only a request with the bearer value and a store with this `secret` can read them.
 */
export function createBearerSeal(secret: Buffer, purpose: string) {
  const keyOf = (bearer: string) => derive(bearer, secret, purpose)
  return {
    seal: (bearer: string, text: string, context: Buffer): Buffer =>
      encrypt(keyOf(bearer), drawIv(), text, context, []),
    open(bearer: string, sealed: Buffer, context: Buffer): string | undefined {
      try {
        return decrypt(keyOf(bearer), sealed, context).toString()
      } catch {
        // Altered, or sealed with another bearer value: it counts as absent.
        return undefined
      }
    },
  }
}

/** Seals successors with the spent refresh token. */
export function createSuccessorSeal(secret: Buffer) {
  const { seal, open } = createBearerSeal(secret, 'refresh token successor')
  return {
    seal: (spentToken: string, successor: Successor, rowId: Buffer): Buffer =>
      seal(spentToken, JSON.stringify(successor), rowId),
    open(spentToken: string, sealed: Buffer, rowId: Buffer): Successor | undefined {
      const text = open(spentToken, sealed, rowId)
      return text === undefined ? undefined : (JSON.parse(text) as Successor)
    },
  }
}
