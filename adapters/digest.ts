/** The names of things at rest: no id that opens anything is stored, only what can be computed from it. */
import { createHmac, createSecretKey, hash } from 'node:crypto'
import { storableText } from './postgres/binary-array.ts'

// UTF-8 writes every lone surrogate alike, so that two different strings would have one digest: those are hashed as UTF-16.
const digest = (text: string): Buffer =>
  text.isWellFormed() ? hash('sha256', text, 'buffer') : hash('sha256', Buffer.from(text, 'utf16le'), 'buffer')

/** The row of `id` in `model`: 32 bytes over the whole string, so that a code is never found as a token (CVE-2026-4282). */
export const rowId = (model: string, id: string): Buffer => digest(`${model}\u0000${id}`)

/** A browser session by its uid, which stays when the session's id changes. */
export const sessionKey = (uid: string): Buffer => digest(`session uid\u0000${uid}`)

export type EndKind = 'account' | 'client' | 'consent' | 'signing_key' | 'token' | 'lost_token' | 'everything'

/** What an end-moment is about, for example the client `id`. Statements compute the same from the columns of a row. */
export const endKey = (kind: EndKind, id: string): Buffer => digest(`end ${kind}\u0000${storableText(id)}`)

/** What `endKey` hashes before the id. */
export const endPrefix = (kind: EndKind): Buffer => Buffer.from(`end ${kind}\u0000`)

/** Of what one person has allowed one client. No client id has a space. */
export const consentKey = (accountId: string, clientId: string): Buffer => endKey('consent', `${accountId} ${clientId}`)

/** A token that was given back by a client when no store had it: of another client it is not this one. No client id has a space. */
export const lostTokenKey = (clientId: string, token: string): Buffer => endKey('lost_token', `${clientId} ${token}`)

/** A digest as the key of a Map: one character a byte. */
export const mapKey = (bytes: Buffer): string => bytes.toString('latin1')

/** HMAC-SHA-256 under a key that is made once: turning its bytes into a key at each call costs four times the rest. */
function createMac(key: Buffer): (text: string) => Buffer {
  const secretKey = createSecretKey(key)
  return (text) => createHmac('sha256', secretKey).update(text).digest()
}

/** The name of a session at one client (`sid`): the same in every tab, and different at every client. */
export function createSidOf(key: Buffer): (sessionUid: string, clientId: string) => string {
  const mac = createMac(key)
  return (sessionUid, clientId) => mac(`${sessionUid}\u0000${clientId}`).toString('base64url')
}

/** Device flow user codes have 34 bits (RFC 8628 §5.1): a plain digest would be guessed from a dump, so this one has a key. */
export const createUserCodeDigest = (key: Buffer): ((userCode: string) => Buffer) => createMac(key)
