/** The keys of stored rows. No bearer id is stored, only digests of it. */
import { createHmac, createSecretKey, hash } from 'node:crypto'
import { storableText } from './postgres/binary-array.ts'

// UTF-8 encodes all lone surrogates alike. Such strings are hashed as UTF-16, to keep digests
// unique.
const digest = (text: string): Buffer =>
  text.isWellFormed() ? hash('sha256', text, 'buffer') : hash('sha256', Buffer.from(text, 'utf16le'), 'buffer')

/**
 * The row key of `id` in `model`: a digest of both, so that a code is never found as a token
 * (CVE-2026-4282).
 */
export const rowId = (model: string, id: string): Buffer => digest(`${model}\u0000${id}`)

/** A browser session by its uid, which does not change when the session's id changes. */
export const sessionKey = (uid: string): Buffer => digest(`session uid\u0000${uid}`)

export type EndKind = 'account' | 'client' | 'consent' | 'signing_key' | 'token' | 'lost_token' | 'everything'

/**
 * The subject of an end moment, for example the client `id`. SQL statements compute the same key
 * from the columns of a row.
 */
export const endKey = (kind: EndKind, id: string): Buffer => digest(`end ${kind}\u0000${storableText(id)}`)

/** The prefix that `endKey` hashes before the id. */
export const endPrefix = (kind: EndKind): Buffer => Buffer.from(`end ${kind}\u0000`)

/** Everything that one account has allowed one client. No client id contains a space. */
export const consentKey = (accountId: string, clientId: string): Buffer => endKey('consent', `${accountId} ${clientId}`)

/**
 * A token that a client revoked when no store had it. The key includes the client, so that other
 * clients' tokens are not affected. No client id contains a space.
 */
export const lostTokenKey = (clientId: string, token: string): Buffer => endKey('lost_token', `${clientId} ${token}`)

/** A digest as the key of a Map: one character per byte. */
export const mapKey = (bytes: Buffer): string => bytes.toString('latin1')

/**
 * HMAC-SHA-256. The key object is created once: creating it at each call costs four times the rest.
 */
function createMac(key: Buffer): (text: string) => Buffer {
  const secretKey = createSecretKey(key)
  return (text) => createHmac('sha256', secretKey).update(text).digest()
}

/** The name of a session at one client (`sid`): equal in every tab, different for every client. */
export function createSidOf(key: Buffer): (sessionUid: string, clientId: string) => string {
  const mac = createMac(key)
  return (sessionUid, clientId) => mac(`${sessionUid}\u0000${clientId}`).toString('base64url')
}

/**
 * Device flow user codes have 34 bits (RFC 8628 §5.1): a plain digest could be guessed from a dump,
 * so this digest has a key.
 */
export const createUserCodeDigest = (key: Buffer): ((userCode: string) => Buffer) => createMac(key)
