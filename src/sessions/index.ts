/** Browser sessions. */
import { batchDuty } from '../jobs/duty.ts'
import type { Endings } from '../revocation/endings.ts'
import { openGeolocation } from './geolocation.ts'
import { createSessions } from './service.ts'

type Deps = Omit<Parameters<typeof createSessions>[0], 'locate' | 'deleteRememberedBrowsers'> & {
  /** Path of an MMDB file; undefined: pages show no location. */
  geoipDatabase: string | undefined
  endings: Pick<Endings, 'run'>
}

/** Throws `places_unreadable`. */
export async function createSessionsFeature({ geoipDatabase, endings, ...deps }: Deps) {
  const geolocation = geoipDatabase === undefined ? undefined : await openGeolocation(geoipDatabase)
  const sessions = createSessions({
    ...deps,
    deleteRememberedBrowsers: (tx, accountId) => endings.run('accountSignOut', tx, accountId),
    locate: (ip) => geolocation?.(ip),
  })
  return {
    sessions,
    // Every hour: removes the details of sessions that have ended.
    duties: [batchDuty('sweep-sessions', 3600, sessions.sweep)],
  }
}
