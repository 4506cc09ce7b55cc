/** Every minute: expired codes, tokens, sessions and grants leave, in batches small enough not to hold anybody up. */
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
    if (total > 0) log.debug({ rows: total }, 'expired artifacts swept')
  },
}
