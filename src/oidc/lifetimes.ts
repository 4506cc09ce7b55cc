/** When sessions and refresh tokens are over by the lifetimes that are configured now, whatever was configured at their issue. */
import type { Client } from '../clients/client.ts'
import type { RuntimeSettings } from '../settings/service.ts'

type Deps = {
  settings: { get: () => RuntimeSettings }
  findClient: (clientId: string) => Promise<Pick<Client, 'refreshIdleSeconds' | 'refreshAbsoluteSeconds'> | undefined>
}

/** Epoch seconds. `usedAt`: the last use, of a refresh token that rotates its issue; absent in rows of the program before it was noted. */
type Kept = { usedAt?: unknown; loginTs?: unknown; iiat?: unknown; clientId?: string }

/** The first of its moments after so many seconds; a moment that is not known ends nothing. In milliseconds. */
function earliest(...ends: readonly (readonly [moment: unknown, seconds: number])[]): number | undefined {
  const known = ends.flatMap(([moment, seconds]) => (typeof moment === 'number' ? [(moment + seconds) * 1000] : []))
  return known.length > 0 ? Math.min(...known) : undefined
}

export function createLifetimes({ settings, findClient }: Deps) {
  return async (model: 'Session' | 'RefreshToken', kept: Kept): Promise<number | undefined> => {
    const all = settings.get()
    if (model === 'Session') {
      return earliest([kept.usedAt, all.sessionIdleSeconds], [kept.loginTs, all.sessionAbsoluteSeconds])
    }
    const client = kept.clientId === undefined ? undefined : await findClient(kept.clientId)
    return earliest(
      [kept.usedAt, client?.refreshIdleSeconds ?? all.refreshIdleSeconds],
      [kept.iiat, client?.refreshAbsoluteSeconds ?? all.refreshAbsoluteSeconds],
    )
  }
}
