/**
 * Challenges of WebAuthn (§13.4.3): random, bound to a login or a session, valid for five minutes,
 * and used once. Only used challenges are stored.
 */
import { createHash, createHmac, createSecretKey, timingSafeEqual } from 'node:crypto'
import type { Clock } from '../../../clock.ts'
import type { Queryable } from '../../../database/database.ts'
import type { Random } from '../../../random.ts'
import * as repository from './repository.ts'

type Deps = { key: Buffer; clock: Clock; random: Random }

const lifetimeMs = 5 * 60_000
const nonceBytes = 32
/** Of the previous version, whose processes may run beside this one until the next release. */
const previousNonceBytes = 16
const expiryBytes = 6
const macBytes = 32

export function createChallenges({ key, clock, random }: Deps) {
  const secret = createSecretKey(key)
  const macOf = (head: Buffer, binding: string) =>
    createHmac('sha256', secret).update(head).update(`latchkey passkey\0${binding}`).digest()

  /** The expiry time of the challenge, if this server made it for this binding. */
  function endOf(challenge: string, binding: string): number | undefined {
    const bytes = Buffer.from(challenge, 'base64url')
    const headBytes = bytes.length - macBytes
    const isOwnLength = [nonceBytes, previousNonceBytes].includes(headBytes - expiryBytes)
    if (!isOwnLength || bytes.toString('base64url') !== challenge) return undefined
    const head = bytes.subarray(0, headBytes)
    if (!timingSafeEqual(bytes.subarray(headBytes), macOf(head, binding))) return undefined
    return head.readUIntBE(0, expiryBytes)
  }

  return {
    make: (binding: string): Buffer => {
      const expiry = Buffer.alloc(expiryBytes)
      expiry.writeUIntBE(clock.now() + lifetimeMs, 0, expiryBytes)
      const head = Buffer.concat([expiry, random.bytes(nonceBytes)])
      return Buffer.concat([head, macOf(head, binding)])
    },

    isLiving: (challenge: string, binding: string): boolean => (endOf(challenge, binding) ?? 0) > clock.now(),

    /** Returns whether a verified challenge is used for the first time. */
    spend: (db: Queryable, challenge: string, binding: string): Promise<boolean> =>
      repository.spendChallenge(
        db,
        createHash('sha256').update(challenge).digest(),
        endOf(challenge, binding) ?? clock.now() + lifetimeMs,
      ),
  }
}
