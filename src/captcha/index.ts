/** The CAPTCHA of the login page. */
import { batchDuty } from '../jobs/duty.ts'
import { createCaptcha } from './service.ts'

export { captchaFiles } from './files.ts'

type Deps = Pick<Parameters<typeof createCaptcha>[0], 'db' | 'clock' | 'random'> & {
  deriveKey: (purpose: string) => Buffer
}

export function createCaptchaFeature({ db, clock, random, deriveKey }: Deps) {
  const captcha = createCaptcha({
    db,
    clock,
    random,
    signatureKey: deriveKey('captcha'),
    solutionKey: deriveKey('captcha solutions'),
  })
  return {
    captcha,
    // Every hour: delete expired solved challenges.
    duties: [batchDuty('sweep-captchas', 3600, captcha.sweep)],
  }
}
