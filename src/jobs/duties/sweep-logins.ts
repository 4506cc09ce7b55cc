/** Every hour: logins that were not finished, browsers no longer remembered, counts that limit nobody and spent challenges leave. */
import type { Duty } from '../index.ts'

export const sweepLogins: Duty = {
  name: 'sweep-logins',
  everySeconds: 3600,
  async run({ loginSteps, passkeys }, signal) {
    while (!signal.aborted && (await loginSteps.sweep()) + (await passkeys.sweep()) > 0);
  },
}
