/** Rate limits of requests, and the throttle of wrong passwords. */
import type { Cluster, Redis } from 'ioredis'
import type { Pool } from 'pg'
import { batchDuty } from '../jobs/duty.ts'
import type { Endings } from '../revocation/endings.ts'
import { createLoginThrottle } from './login-throttle.ts'
import { measureLoginThrottle } from './login-throttle-metrics.ts'
import { createNetworkUnlock } from './network-unlock.ts'
import { createPasswordCheckLimit } from './password-check-limit.ts'
import { createRateLimiter } from './rate-limiter.ts'
import { createRedisStore } from './redis.ts'
import { createPostgresStore, deleteExpired } from './repository.ts'
import { createLimits } from './service.ts'

type LimitsDeps = Parameters<typeof createLimits>[0]
type Deps = Pick<LimitsDeps, 'settings' | 'countedIp' | 'countedNetwork' | 'clock' | 'log' | 'metrics'> &
  Pick<Parameters<typeof createLoginThrottle>[0], 'db' | 'captcha' | 'prefixesOf' | 'busy'> &
  Pick<Parameters<typeof createNetworkUnlock>[0], 'plainIp' | 'networksOf' | 'transaction' | 'audit'> & {
    pool: Pool
    /** Undefined: counts are in Postgres. */
    redis: Redis | Cluster | undefined
    /** Normalises an email for counting. */
    normaliseEmail: (email: string) => string
    deriveKey: (purpose: string) => Buffer
    endings: Pick<Endings, 'register'>
  }

export function createLimitsFeature(deps: Deps) {
  const { db, pool, redis, settings, captcha, busy, normaliseEmail, deriveKey, endings } = deps
  const { countedIp, countedNetwork, plainIp, prefixesOf, networksOf } = deps
  const { transaction, audit, clock, log, metrics } = deps
  const limits = createLimits({
    stores: [...(redis ? [createRedisStore(redis)] : []), createPostgresStore(pool)],
    settings,
    clock,
    log,
    metrics,
    canonical: normaliseEmail,
    countedIp,
    countedNetwork,
    digestKey: deriveKey('request limits'),
    sweepRows: (before, most) => deleteExpired(pool, before, most),
  })
  const loginThrottle = createLoginThrottle({
    db,
    clock,
    captcha,
    prefixesOf,
    key: deriveKey('guesses'),
    metrics: measureLoginThrottle(metrics),
    normalise: normaliseEmail,
    busy,
  })
  endings.register('accountReset', 'knownBrowsers', loginThrottle.onAccountReset)
  endings.register('emailLoss', 'knownBrowsers', loginThrottle.clearKnownBrowsers)
  return {
    limits,
    rateLimiter: createRateLimiter({ limits }),
    loginThrottle,
    passwordCheckLimit: createPasswordCheckLimit({ limits, normalise: normaliseEmail, clock }),
    networks: createNetworkUnlock({ loginThrottle, plainIp, networksOf, transaction, audit }),
    // Deletes expired counts, and browsers that have not been seen for a long time.
    duties: [batchDuty('sweep-guesses', 3600, loginThrottle.sweep), batchDuty('sweep-limits', 300, limits.sweep)],
  }
}
