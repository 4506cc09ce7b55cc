/**
 * Values in Redis: sealed, under digests. Each has its own key, so that no command needs two slots
 * of a cluster.
 */
import type { Cluster, Redis } from 'ioredis'
import { ArtifactStoreUnavailable } from '../errors.ts'
import type { Upsert } from '../model.ts'
import type { Seal } from '../seal.ts'
import { createBreaker } from './breaker.ts'

export type ShortLivedValue = { text: string; issuedAt: number; expiresAt: number; sessionUid?: Buffer }

type Envelope = { i: number; e: number; s?: string }

// Longer than the value is valid: our clock decides about the expiry, and Redis only cleans up.
const retentionAfterExpiryMs = 60_000

const keyOf = (id: Buffer): string => `latchkey:artifact:{${id.toString('base64url')}}`

type WriteOutcome = Pick<Upsert, 'id' | 'text' | 'issuedAt' | 'sessionUid'> & { expiresAt: number }
type Deps = { redis: Redis | Cluster; seal: Seal; now: () => number }

export type ShortLived = ReturnType<typeof createShortLived>

export function createShortLived({ redis, seal, now }: Deps) {
  const breaker = createBreaker()

  // Every error means unavailable: down, loading, read-only, out of memory, or a slot without a
  // node.
  async function ask<T>(command: () => Promise<T>): Promise<T> {
    try {
      return await breaker(command)
    } catch (error) {
      throw new ArtifactStoreUnavailable(error)
    }
  }

  function open(value: Buffer | null, id: Buffer): ShortLivedValue | undefined {
    const text = value ? seal.open(value, id) : undefined
    if (text === undefined) return undefined
    const end = text.indexOf('\n')
    const { i: issuedAt, e: expiresAt, s: session } = JSON.parse(text.slice(0, end)) as Envelope
    if (expiresAt <= now()) return undefined
    const sessionUid = session === undefined ? undefined : Buffer.from(session, 'base64url')
    return { issuedAt, expiresAt, sessionUid, text: text.slice(end + 1) }
  }

  return {
    /**
     * The value of `id` unless it has expired. All of these throw ArtifactStoreUnavailable when
     * Redis is unavailable.
     */
    find: async (id: Buffer): Promise<ShortLivedValue | undefined> =>
      open(await ask(() => redis.getBuffer(keyOf(id))), id),

    async write({ id, text, issuedAt, expiresAt, sessionUid }: WriteOutcome): Promise<void> {
      const envelope: Envelope = { i: issuedAt, e: expiresAt, s: sessionUid?.toString('base64url') }
      const sealed = seal.seal(`${JSON.stringify(envelope)}\n${text}`, id)
      const ttlMs = Math.max(1, expiresAt - now()) + retentionAfterExpiryMs
      await ask(() => redis.set(keyOf(id), sealed, 'PX', ttlMs))
    },

    destroy: async (id: Buffer): Promise<void> => {
      await ask(() => redis.del(keyOf(id)))
    },

    /** Gives the value and removes it in one step: no second request gets it. */
    take: async (id: Buffer): Promise<ShortLivedValue | undefined> =>
      open(await ask(() => redis.getdelBuffer(keyOf(id))), id),
  }
}
