/**
 * The grace window of a refresh token: for some seconds its client may use it again, because it may
 * have lost the response (docs/refresh.md).
 */
import { withPostgres } from './errors.ts'
import type { StoredArtifact } from './model.ts'

type Deps = {
  graceSeconds: (clientId: string) => Promise<number>
  /** When the window of a token spent at `spentAt` begins. Time without stores does not count. */
  graceBegins: (spentAt: number, windowMs: number) => Promise<number>
  now: () => number
}

export type RefreshGrace = ReturnType<typeof createRefreshGrace>

export function createRefreshGrace(deps: Deps) {
  const begins = (spentAt: number, windowMs: number): Promise<number> =>
    withPostgres(() => deps.graceBegins(spentAt, windowMs))

  return {
    /** Whether the client may repeat this spent token. */
    async isWithinGrace({ consumedAt, successor }: StoredArtifact, clientId: string | undefined): Promise<boolean> {
      if (consumedAt === undefined || successor === undefined || clientId === undefined) return false
      const windowMs = (await deps.graceSeconds(clientId)) * 1000
      if (deps.now() - consumedAt < windowMs) return true
      return windowMs > 0 && deps.now() - (await begins(consumedAt, windowMs)) < windowMs
    },
  }
}
