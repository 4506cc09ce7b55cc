/**
 * Duties on tokens and sessions: removes what has expired or ended, in batches that delay no
 * request.
 */
import type { ArtifactStore } from '../../adapters/index.ts'
import type { Clock } from '../clock.ts'
import type { Duty } from '../jobs/duty.ts'
import type { Log } from '../log.ts'

type Deps = { artifacts: Pick<ArtifactStore, 'sweep' | 'trimSpent' | 'removeLeftovers'>; clock: Clock; log: Log }

const batchSize = 500
const timeShareMs = 20_000

/** Every minute: deletes expired rows, and reduces spent refresh tokens to what shows a theft. */
const sweepArtifacts = ({ artifacts, clock, log }: Deps): Duty => ({
  name: 'sweep-artifacts',
  everySeconds: 60,
  async run(signal) {
    const endsAt = clock.now() + timeShareMs
    let total = 0
    let swept: number
    do {
      swept = await artifacts.sweep(batchSize)
      total += swept
    } while (swept >= batchSize && clock.now() < endsAt && !signal.aborted)
    // A separate time limit: many expired rows must not delay the trimming of spent tokens.
    const trimEndsAt = clock.now() + timeShareMs
    const trimmed = await artifacts.trimSpent(() => signal.aborted || clock.now() >= trimEndsAt)
    if (total + trimmed > 0) log.debug({ rows: total, trimmed }, 'expired artifacts swept')
  },
})

/**
 * Every minute: removes rows that an end has left, because its process terminated or a request was
 * in flight.
 */
const sweepEnded = ({ artifacts, clock }: Deps): Duty => ({
  name: 'sweep-ended-leftovers',
  everySeconds: 60,
  async run(signal) {
    const endsAt = clock.now() + timeShareMs
    await artifacts.removeLeftovers(() => signal.aborted || clock.now() >= endsAt)
  },
})

export const artifactDuties = (deps: Deps): readonly Duty[] => [sweepArtifacts(deps), sweepEnded(deps)]
