/**
 * When sessions and refresh tokens expire by the lifetimes that are configured now, not those at
 * their issue.
 */
import type { Client } from '../clients/client.ts'
import type { RuntimeSettings } from '../settings/service.ts'

type Deps = {
  settings: { get: () => RuntimeSettings }
  findClient: (clientId: string) => Promise<Pick<Client, 'refreshIdleSeconds' | 'refreshAbsoluteSeconds'> | undefined>
}

/**
 * Epoch seconds. `usedAt` is the last use; for a rotating refresh token, the time when it was
 * issued. Rows of older versions have no `usedAt`.
 */
type StoredTimes = { usedAt?: unknown; loginTs?: unknown; iiat?: unknown; clientId?: string }

/** The earliest of the ends, in milliseconds. An unknown moment is ignored. */
function earliest(...ends: readonly (readonly [moment: unknown, seconds: number])[]): number | undefined {
  const known = ends.flatMap(([since, seconds]) => (typeof since === 'number' ? [(since + seconds) * 1000] : []))
  return known.length > 0 ? Math.min(...known) : undefined
}

export function createLifetimes({ settings, findClient }: Deps) {
  return async (model: 'Session' | 'RefreshToken', times: StoredTimes): Promise<number | undefined> => {
    const all = settings.get()
    if (model === 'Session') {
      return earliest([times.usedAt, all.sessionIdleSeconds], [times.loginTs, all.sessionAbsoluteSeconds])
    }
    const client = times.clientId === undefined ? undefined : await findClient(times.clientId)
    return earliest(
      [times.usedAt, client?.refreshIdleSeconds ?? all.refreshIdleSeconds],
      [times.iiat, client?.refreshAbsoluteSeconds ?? all.refreshAbsoluteSeconds],
    )
  }
}
