/** Every hour: mailed links that are over, and whose count no longer limits anybody, leave. */
import type { Duty } from '../index.ts'

export const sweepLinks: Duty = {
  name: 'sweep-links',
  everySeconds: 3600,
  async run({ links }, signal) {
    while (!signal.aborted && (await links.sweep()) > 0);
  },
}
