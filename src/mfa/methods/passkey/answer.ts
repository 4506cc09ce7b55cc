/** What a browser sends for a passkey, as far as the library that verifies it takes more than it should. */
import { passkeyRefused } from '../../errors.ts'

/** Web Authentication Level 3 §7.1: no authenticator makes a longer id, and the column holds no longer one. */
const longestIdBytes = 1023

/** The answer in the field of a form. Throws `passkey_refused` for a text that is no answer. */
export function readAnswer<T extends { id: string }>(text: string | undefined): T {
  try {
    const response = JSON.parse(text ?? '') as T
    if (typeof response.id === 'string') return response
  } catch {
    // What is no JSON is no passkey.
  }
  throw passkeyRefused()
}

/** Gives the credential id in bytes. Throws `passkey_refused` for one that may not be kept. */
export function credentialIdOf(id: string): Buffer {
  const bytes = Buffer.from(id, 'base64url')
  if (bytes.length === 0 || bytes.length > longestIdBytes) throw passkeyRefused()
  return bytes
}

/**
 * Throws `passkey_refused` for the answer of a frame in another site's page (§7.1, §7.2). No page of ours is in a frame. The
 * library does not look at `crossOrigin` at a registration, and at a sign-in only beside `topOrigin`.
 */
export async function refuseFramed(clientDataJSON: string): Promise<void> {
  const { decodeClientDataJSON } = await import('@simplewebauthn/server/helpers')
  const { crossOrigin = false, topOrigin } = decodeClientDataJSON(clientDataJSON)
  if (crossOrigin !== false || topOrigin !== undefined) throw passkeyRefused()
}

/** The ways to reach the authenticator (§5.8.4), of which a browser may say anything. */
export const transportsOf = (given: unknown): string[] =>
  Array.isArray(given) ? given.filter((one) => typeof one === 'string' && /^[a-z-]{1,20}$/.test(one)) : []
