/** Client secrets, compared as keyed digests, so that dumps and logs contain no usable secret. */
import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto'
import type { Problem } from '../problems.ts'
import type { Random } from '../random.ts'
import type { Client } from './client.ts'

/** The purpose for `rootSecret.derive`. */
export const clientSecretPurpose = 'client-secrets'

export type ClientSecrets = ReturnType<typeof createClientSecrets>

/** `digestKey` is 32 bytes: `rootSecret.derive(clientSecretPurpose)`. */
export function createClientSecrets({ digestKey, random }: { digestKey: Buffer; random: Random }) {
  // Created once: creating the key object at every lookup cost a tenth of a token's CPU time.
  const key = createSecretKey(digestKey)
  const digest = (secret: string): Buffer => createHmac('sha256', key).update(secret, 'utf8').digest()
  return {
    /** 256 bits. */
    make: (): string => random.token(256),
    digest,
    /** Whether `presented` is a valid secret of the client, in constant time. */
    matches: (client: Pick<Client, 'secretDigests'>, presented: string, nowMs: number): boolean => {
      const given = digest(presented)
      let isMatch = false
      for (const { digest: known, expiresAt } of client.secretDigests) {
        const isEqual = timingSafeEqual(given, known)
        const isLive = expiresAt === undefined || expiresAt > nowMs
        isMatch = (isEqual && isLive) || isMatch
      }
      return isMatch
    },
  }
}

/**
 * Checks a provided secret: 32 to 512 characters of RFC 6749 Appendix A.2 (VSCHAR), and no secret
 * from Latchkey's examples.
 */
export function checkSecret(secret: unknown, refusedSecrets: readonly string[]): Problem[] {
  if (typeof secret !== 'string' || secret.length < 32) {
    return [{ path: 'client_secret', code: 'secret_too_short', params: { min: 32 } }]
  }
  if (secret.length > 512) return [{ path: 'client_secret', code: 'too_long', params: { max: 512 } }]
  if (!/^[\x20-\x7E]+$/.test(secret)) return [{ path: 'client_secret', code: 'secret_character' }]
  return refusedSecrets.includes(secret) ? [{ path: 'client_secret', code: 'sample_secret' }] : []
}
