/** Every minute: the link of a reset of second factors is mailed once its day is over; requests that are over leave. */
import type { Duty } from '../index.ts'

export const sendFactorResets: Duty = {
  name: 'send-factor-resets',
  everySeconds: 60,
  async run({ factorResets }, signal) {
    while (!signal.aborted && (await factorResets.sendDue()) + (await factorResets.sweep()) > 0);
  },
}
