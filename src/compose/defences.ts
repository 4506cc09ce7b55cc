/** Composes password hashing and rules, the CAPTCHA, rate limits and the login throttle. */
import { listPasswordCosts, normaliseEmail } from '../accounts/index.ts'
import { createCaptchaFeature } from '../captcha/index.ts'
import { countedIp, countedNetwork, networksOf, plainIp, prefixesOf } from '../http/ip.ts'
import { createLimitsFeature } from '../limits/index.ts'
import { createPasswordsFeature } from '../passwords/index.ts'
import type { PartsDeps, Platform } from './platform.ts'

export type Defences = ReturnType<typeof createDefences>
type Deps = Pick<PartsDeps, 'hashingSlots' | 'refusedSecrets'>

export function createDefences(platform: Platform, { hashingSlots, refusedSecrets }: Deps) {
  const { config, database, redis, audit, settings, endings, clock, random, log, metrics } = platform
  const { knex: db, pool, transaction } = database
  const { derive: deriveKey } = platform.rootSecret
  const { add } = platform.features

  const { passwords, breaches, checkPassword, shownRules, busy } = add(
    createPasswordsFeature({
      passwordHash: config.passwordHash,
      breachCheck: config.breachCheck,
      slots: hashingSlots,
      listCosts: () => listPasswordCosts(db),
      settings,
      refusedSecrets,
      prefixesOf,
      request: platform.outbound.request,
      clock,
      log,
      metrics,
    }),
  )
  const { captcha } = add(createCaptchaFeature({ db, clock, random, deriveKey }))
  const { limits, rateLimiter, loginThrottle, passwordCheckLimit, networks } = add(
    createLimitsFeature({
      db,
      pool,
      redis: redis?.client,
      transaction,
      audit,
      settings,
      captcha,
      busy,
      normaliseEmail,
      countedIp,
      countedNetwork,
      plainIp,
      prefixesOf,
      networksOf,
      deriveKey,
      endings,
      clock,
      log,
      metrics,
    }),
  )
  return {
    passwords,
    breaches,
    checkPassword,
    shownRules,
    captcha,
    limits,
    rateLimiter,
    loginThrottle,
    passwordCheckLimit,
    networks,
  }
}
