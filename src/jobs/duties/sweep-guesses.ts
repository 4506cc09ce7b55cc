/** Every hour: counts that limit nobody, browsers long unseen, and spent challenges leave. */
import type { Duty } from '../index.ts'

export const sweepGuesses: Duty = {
  name: 'sweep-guesses',
  everySeconds: 3600,
  async run({ guesses, captcha }, signal) {
    while (!signal.aborted && (await guesses.sweep()) + (await captcha.sweep()) > 0);
  },
}
