/** The browser's answer for a passkey, with the checks that the library does not make. */
import { passkeyRefused } from '../../errors.ts'

/** Web Authentication Level 3 §7.1: a credential id has at most 1023 bytes, like the column. */
const longestIdBytes = 1023

/** The answer in the form field. Throws `passkey_refused` for text that is not an answer. */
export function readAnswer<T extends { id: string }>(text: string | undefined): T {
  try {
    const response = JSON.parse(text ?? '') as T
    if (typeof response.id === 'string') return response
  } catch {
    // Text that is not JSON is not a passkey.
  }
  throw passkeyRefused()
}

/** Returns the credential id in bytes. Throws `passkey_refused` for an invalid one. */
export function credentialIdOf(id: string): Buffer {
  const bytes = Buffer.from(id, 'base64url')
  if (bytes.length === 0 || bytes.length > longestIdBytes) throw passkeyRefused()
  return bytes
}

/**
 * Throws `passkey_refused` for an answer from a frame in another site's page (§7.1, §7.2). The
 * library ignores `crossOrigin` at a registration. At a sign-in it reads it only with `topOrigin`.
 */
export async function refuseFramed(clientDataJSON: string): Promise<void> {
  const { decodeClientDataJSON } = await import('@simplewebauthn/server/helpers')
  const { crossOrigin = false, topOrigin } = decodeClientDataJSON(clientDataJSON)
  if (crossOrigin !== false || topOrigin !== undefined) throw passkeyRefused()
}

/** The transports of the authenticator (§5.8.4). The browser's values are not trusted. */
export const transportsOf = (given: unknown): string[] =>
  Array.isArray(given) ? given.filter((one) => typeof one === 'string' && /^[a-z-]{1,20}$/.test(one)) : []
