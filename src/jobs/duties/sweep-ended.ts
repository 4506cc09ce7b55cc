/** Every minute: rows that were left when something ended, by a process that died or a request in flight. */
import type { Duty } from '../index.ts'

const timeShareMs = 20_000

export const sweepEnded: Duty = {
  name: 'sweep-ended-leftovers',
  everySeconds: 60,
  async run({ artifacts, clock }, signal) {
    const endsAt = clock.now() + timeShareMs
    await artifacts.removeLeftovers(() => signal.aborted || clock.now() >= endsAt)
  },
}
