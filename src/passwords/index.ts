/** Passwords: hashing, and the rules for new ones. */
import type { Config } from '../config/config.ts'
import { createBreaches } from './breaches.ts'
import { hashingBusy } from './errors.ts'
import { createPasswordHasher } from './hasher.ts'
import { createPasswordPolicy } from './service.ts'
import { createStrengthEstimator } from './strength.ts'

export { problemOfImportedHash } from './hasher.ts'

type Deps = Pick<Config, 'passwordHash' | 'breachCheck'> &
  Pick<Parameters<typeof createBreaches>[0], 'request' | 'clock' | 'log' | 'metrics'> &
  Pick<Parameters<typeof createPasswordPolicy>[0], 'settings' | 'refusedSecrets'> &
  Pick<Parameters<typeof createPasswordHasher>[0], 'slots' | 'listCosts' | 'prefixesOf'>

const retryAfterSeconds = 5

export function createPasswordsFeature(deps: Deps) {
  const { passwordHash, breachCheck, slots, listCosts, prefixesOf, settings, refusedSecrets } = deps
  const { request, clock, log, metrics } = deps
  const breaches = breachCheck && createBreaches({ ...breachCheck, request, clock, log, metrics })
  const strength = createStrengthEstimator({ log })
  const policy = createPasswordPolicy({ settings, breaches, strength, refusedSecrets })
  return {
    passwords: createPasswordHasher({ ...passwordHash, slots, listCosts, metrics, prefixesOf, log }),
    breaches,
    checkPassword: policy.check,
    shownRules: policy.shownRules,
    /** The error when a password cannot be verified now. */
    busy: () => hashingBusy({ retryAfterSeconds }),
    close: strength.close,
  }
}
