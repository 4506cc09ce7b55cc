/** The end of tokens and sessions, and of what other features have registered to end with them. */
import type { ArtifactStore } from '../../adapters/index.ts'
import type { Audit } from '../audit/service.ts'
import type { Enqueue } from '../jobs/queue.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { createAccountReset, createHandover } from './account-reset.ts'
import { artifactDuties } from './duties.ts'
import type { Endings } from './endings.ts'
import { createFamilyEndRecords } from './family-end-records.ts'
import { createRevocation } from './service.ts'
import { createEndedSweep, enqueueSweep } from './sweep.ts'

export { createEndings } from './endings.ts'
export { createDenyLost } from './lost-tokens.ts'

type StoreDeps = { audit: Audit; metrics: Metrics; endings: Pick<Endings, 'run'>; enqueue: Enqueue }

/** The events of the artifact store, each handled in its own transaction. */
export const createStoreEvents = ({ audit, metrics, endings, enqueue }: StoreDeps) => ({
  ...createFamilyEndRecords({ audit, metrics }),
  onSessionsEnded: ((tx, sessions) => endings.run('sessionEnd', tx, sessions)) satisfies StoreEvents['onSessionsEnded'],
  onRowsLeft: ((tx, key) => enqueueSweep(enqueue, tx, key)) satisfies StoreEvents['onRowsLeft'],
})
type StoreEvents = Required<Pick<StoreOptions, 'onSessionsEnded' | 'onRowsLeft'>>
type StoreOptions = Parameters<typeof import('../../adapters/index.ts').createArtifactStore>[0]

type Deps = Omit<Parameters<typeof createRevocation>[0], 'artifacts' | 'endings'> &
  Pick<Parameters<typeof createAccountReset>[0], 'records' | 'random'> & {
    artifacts: ArtifactStore
    endings: Endings
    enqueue: Enqueue
    log: Log
  }

export function createRevocationFeature(deps: Deps) {
  const { transaction, audit, artifacts, consents, records, endings, enqueue, clock, random, log, metrics } = deps
  endings.register('clientEnd', 'tokens', artifacts.endClient)
  const resetAccount = createAccountReset({ records, artifacts, endings, random })
  return {
    revocation: createRevocation({ transaction, audit, artifacts, consents, endings, clock, metrics }),
    resetAccount,
    handOverAccount: createHandover({ resetAccount, endings }),
    tasks: createEndedSweep({ enqueue, transaction, artifacts, clock }),
    duties: artifactDuties({ artifacts, clock, log }),
  }
}
