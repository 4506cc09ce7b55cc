/** When sessions and refresh tokens are over by the lifetimes that are configured now, whatever was configured at their issue. */
import type { Client } from '../clients/client.ts'
import type { RuntimeSettings } from '../settings/service.ts'

type Deps = {
  settings: { get: () => RuntimeSettings }
  findClient: (clientId: string) => Promise<Pick<Client, 'refreshIdleSeconds' | 'refreshAbsoluteSeconds'> | undefined>
}

/** Epoch seconds. `usedAt`: the last use, of a refresh token that rotates its issue; absent in rows of the program before it was noted. */
type StoredTimes = { usedAt?: unknown; loginTs?: unknown; iiat?: unknown; clientId?: string }

/** The first of its moments after so many seconds; a moment that is not known ends nothing. In milliseconds. */
function earliest(...ends: readonly (readonly [moment: unknown, seconds: number])[]): number | undefined {
  const known = ends.flatMap(([moment, seconds]) => (typeof moment === 'number' ? [(moment + seconds) * 1000] : []))
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
