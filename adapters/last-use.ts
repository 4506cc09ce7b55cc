/**
 * Applies the lifetimes that are configured now to sessions and refresh tokens: records the last
 * use, and ends expired ones.
 */
import type { ModelName, Payload, StoredArtifact } from './model.ts'
import type { Writes } from './postgres/writes.ts'

/**
 * For these the engine stores only the expiry, which does not show the last use after a lifetime
 * has changed.
 */
const models = ['Session', 'RefreshToken'] as const
export type LastingModel = (typeof models)[number]

/**
 * The end by the current configuration, in milliseconds since the epoch; undefined: the
 * configuration does not end it.
 */
export type EndsAt = (model: LastingModel, payload: Payload) => Promise<number | undefined>

type Deps = { endsAt: EndsAt; expire: Writes['expire']; now: () => number }

const isLasting = (model: ModelName): model is LastingModel => models.some((one) => one === model)

export function createLastUse({ endsAt, expire, now }: Deps) {
  return {
    /**
     * Adds the time of this use to a payload that is saved, in seconds since the epoch as in the
     * engine.
     */
    withUse: (model: ModelName, payload: Payload): Payload =>
      isLasting(model) ? { ...payload, usedAt: Math.floor(now() / 1000) } : payload,

    /**
     * Gives whether the configured lifetime of the artifact is over. The end is stored, so that a
     * longer lifetime does not make the artifact valid again.
     */
    async endIfOver(model: ModelName, stored: StoredArtifact, payload: Payload): Promise<boolean> {
      // A spent token is not valid anyway, and its reuse must be detected.
      if (!isLasting(model) || stored.consumedAt !== undefined) return false
      const at = await endsAt(model, payload)
      if (at === undefined || at > now()) return false
      await expire(stored, now())
      stored.expiresAt = now()
      return true
    },
  }
}
