/** Every minute: expired artifacts leave, and of spent refresh tokens all but what shows a theft, in batches that hold nothing up. */
import type { Duty } from '../index.ts'

const batchSize = 500
const timeShareMs = 20_000

export const sweepArtifacts: Duty = {
  name: 'sweep-artifacts',
  everySeconds: 60,
  async run({ artifacts, clock, log }, signal) {
    const endsAt = clock.now() + timeShareMs
    let total = 0
    let swept: number
    do {
      swept = await artifacts.sweep(batchSize)
      total += swept
    } while (swept >= batchSize && clock.now() < endsAt && !signal.aborted)
    // A time of its own: a flood of expired rows must not keep the spent ones whole.
    const trimEndsAt = clock.now() + timeShareMs
    const trimmed = await artifacts.trimSpent(() => signal.aborted || clock.now() >= trimEndsAt)
    if (total + trimmed > 0) log.debug({ rows: total, trimmed }, 'expired artifacts swept')
  },
}
