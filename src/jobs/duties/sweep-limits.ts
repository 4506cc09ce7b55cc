/** Every five minutes: counters of request limits that limit nobody any more leave. */
import type { Duty } from '../index.ts'

export const sweepLimits: Duty = {
  name: 'sweep-limits',
  everySeconds: 300,
  async run({ limits }, signal) {
    while (!signal.aborted && (await limits.sweep()) > 0);
  },
}
