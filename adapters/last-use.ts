/** Sessions and refresh tokens by the lifetimes that are configured now: when they were last used, and the end of those that are over. */
import type { ModelName, Payload, StoredArtifact } from './model.ts'
import type { Writes } from './postgres/writes.ts'

/** What the engine knows only the expiry of, which says nothing of its last use once a lifetime has changed. */
const models = ['Session', 'RefreshToken'] as const
export type LastingModel = (typeof models)[number]

/** When it is over by what is configured now, in milliseconds since the epoch; undefined: that does not end it. */
export type EndsAt = (model: LastingModel, payload: Payload) => Promise<number | undefined>

type Deps = { endsAt: EndsAt; expire: Writes['expire']; now: () => number }

const isLasting = (model: ModelName): model is LastingModel => models.some((one) => one === model)

export function createLastUse({ endsAt, expire, now }: Deps) {
  return {
    /** The payload as it is saved: saving it is a use. In seconds, as the engine counts. */
    noted: (model: ModelName, payload: Payload): Payload =>
      isLasting(model) ? { ...payload, usedAt: Math.floor(now() / 1000) } : payload,

    /** Whether a lifetime that was lowered since has ended it. It ends for good: a lifetime that is raised does not bring it back. */
    async isOver(model: ModelName, stored: StoredArtifact, payload: Payload): Promise<boolean> {
      // A spent token gives nothing by itself, and its reuse has to show.
      if (!isLasting(model) || stored.consumedAt !== undefined) return false
      const at = await endsAt(model, payload)
      if (at === undefined || at > now()) return false
      await expire(stored, now())
      stored.expiresAt = now()
      return true
    },
  }
}
