/** Every hour: what is shown of sessions leaves when they have ended. */
import type { Duty } from '../index.ts'

export const sweepSessions: Duty = {
  name: 'sweep-sessions',
  everySeconds: 3600,
  async run({ sessions }, signal) {
    while (!signal.aborted && (await sessions.sweep()) > 0);
  },
}
