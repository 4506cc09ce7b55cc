/**
 * Requests that wait for the browser's next request: stored sealed under the digest of their id,
 * and given out once.
 */
import { rowId } from './digest.ts'
import { ArtifactStoreUnavailable } from './errors.ts'
import type { Writes } from './postgres/writes.ts'
import { refusedBy } from './redis/refused.ts'
import type { ShortLived } from './redis/short-lived.ts'
import type { Seal } from './seal.ts'

type Deps = {
  shortLived: ShortLived | undefined
  writes: Writes
  seal: Seal
  now: () => number
  /** Throws while another process might use another store for it. */
  refuseDisagreement: (model: 'ParkedRequest') => void
}

export function createParkedRequests({ shortLived, writes, seal, now, refuseDisagreement }: Deps) {
  return {
    /** Stores `text` for `seconds` under `id`, a bearer secret that the caller has created. */
    async park(id: string, text: string, seconds: number): Promise<void> {
      refuseDisagreement('ParkedRequest')
      const issuedAt = now()
      const row = { id: rowId('ParkedRequest', id), text, issuedAt, expiresAt: issuedAt + seconds * 1000 }
      if (shortLived && (await refusedBy(shortLived, [row])).length === 0) return
      const upserts = [{ ...row, model: 'ParkedRequest', home: 'postgres' } as const]
      await writes.write({ upserts, unconditional: [], destroys: [], destroyedSessions: [] })
    },

    /**
     * Gives the text parked under `id`, once; undefined when it was taken, has expired, or does not
     * exist.
     */
    async take(id: string): Promise<string | undefined> {
      refuseDisagreement('ParkedRequest')
      const key = rowId('ParkedRequest', id)
      let failure: unknown
      try {
        const value = await shortLived?.take(key)
        if (value) return value.text
      } catch (error) {
        if (!(error instanceof ArtifactStoreUnavailable)) throw error
        failure = error
      }
      const row = await writes.take(key)
      // The value may be in the unavailable Redis, so "not parked" could be wrong.
      if (!row && failure) throw failure
      return row && row.expiresAt > now() ? seal.open(row.sealed, key) : undefined
    },
  }
}
