/** Limits right passwords as well, because each costs a hash and delays other accounts. */
import type { Clock } from '../clock.ts'
import { tooManyRequests } from './errors.ts'
import type { Limits, Outcome } from './service.ts'

type Deps = {
  limits: Pick<Limits, 'take' | 'networkOf'>
  /** Normalises an email. */
  normalise: (email: string) => string
  clock: Clock
}

export type PasswordCheckLimit = ReturnType<typeof createPasswordCheckLimit>

/** Users prove the password once or twice a minute, so an office does not reach the limit. */
const freePasswordChecks = 2
const maxKeys = 20_000

export function createPasswordCheckLimit({ limits, normalise, clock }: Deps) {
  const refusedUntil = new Map<string, number>()

  /** Refuses only this account, not other accounts of the network. */
  function refuse(key: string, { retryAfterSeconds }: Outcome): void {
    refusedUntil.delete(key)
    refusedUntil.set(key, clock.now() + retryAfterSeconds * 1000)
    if (refusedUntil.size > maxKeys) refusedUntil.delete(refusedUntil.keys().next().value!)
  }

  return {
    /**
     * Throws `too_many_requests` while this account proves its password too often, without a store.
     */
    refuseKnown: (email: string): void => {
      const leftMs = (refusedUntil.get(normalise(email)) ?? 0) - clock.now()
      if (leftMs <= 0) return
      const retryAfterSeconds = Math.ceil(leftMs / 1000)
      throw tooManyRequests({ params: { minutes: Math.ceil(retryAfterSeconds / 60) }, retryAfterSeconds })
    },

    /**
     * Counts a right password; the next one may be refused. The first in a minute asks no store.
     */
    count: async ({ email, ip }: { email: string; ip: string | undefined }): Promise<void> => {
      const own = await limits.take('proof', { identifier: email })
      if (!own.isAllowed) return refuse(normalise(email), own)
      if (ip === undefined || own.limit - own.remaining <= freePasswordChecks) return
      const network = limits.networkOf(ip)
      const outcomes = [
        ...(network === undefined ? [] : [await limits.take('repeated_proof', { network })]),
        await limits.take('repeated_proof', { ip }),
      ]
      for (const outcome of outcomes) if (!outcome.isAllowed) refuse(normalise(email), outcome)
    },
  }
}
