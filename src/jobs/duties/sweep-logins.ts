/** Every hour: logins that were not finished, browsers no longer remembered, and counts that limit nobody leave. */
import type { Duty } from '../index.ts'

export const sweepLogins: Duty = {
  name: 'sweep-logins',
  everySeconds: 3600,
  async run({ loginSteps }, signal) {
    while (!signal.aborted && (await loginSteps.sweep()) > 0);
  },
}
