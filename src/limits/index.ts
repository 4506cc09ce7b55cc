/** Request limits, and the throttle of wrong passwords. */
import type { Cluster, Redis } from 'ioredis'
import type { Pool } from 'pg'
import { batchDuty } from '../jobs/duty.ts'
import type { Endings } from '../revocation/endings.ts'
import { createGate } from './gate.ts'
import { measureGuesses } from './guess-metrics.ts'
import { createGuesses } from './guesses.ts'
import { createNetworks } from './networks.ts'
import { createProofs } from './proofs.ts'
import { createRedisStore } from './redis.ts'
import { createPostgresStore, deleteForgotten } from './repository.ts'
import { createLimits } from './service.ts'

type LimitsDeps = Parameters<typeof createLimits>[0]
type Deps = Pick<LimitsDeps, 'settings' | 'countedAddress' | 'countedNetwork' | 'clock' | 'log' | 'metrics'> &
  Pick<Parameters<typeof createGuesses>[0], 'db' | 'captcha' | 'busy'> &
  Pick<Parameters<typeof createNetworks>[0], 'plainAddress' | 'prefixesOf' | 'transaction' | 'audit'> & {
    pool: Pool
    /** Undefined: counts are in Postgres. */
    redis: Redis | Cluster | undefined
    /** The one form of an email, by which it is counted. */
    normaliseEmail: (email: string) => string
    deriveKey: (purpose: string) => Buffer
    endings: Pick<Endings, 'register'>
  }

export function createLimitsFeature(deps: Deps) {
  const { db, pool, redis, settings, captcha, busy, normaliseEmail, deriveKey, endings } = deps
  const { countedAddress, countedNetwork, plainAddress, prefixesOf } = deps
  const { transaction, audit, clock, log, metrics } = deps
  const limits = createLimits({
    stores: [...(redis ? [createRedisStore(redis)] : []), createPostgresStore(pool)],
    settings,
    clock,
    log,
    metrics,
    canonical: normaliseEmail,
    countedAddress,
    countedNetwork,
    digestKey: deriveKey('request limits'),
    sweepRows: (before, most) => deleteForgotten(pool, before, most),
  })
  const guesses = createGuesses({
    db,
    clock,
    captcha,
    prefixesOf,
    key: deriveKey('guesses'),
    metrics: measureGuesses(metrics),
    normalise: normaliseEmail,
    busy,
  })
  endings.register('accountReset', 'knownBrowsers', guesses.endAccount)
  endings.register('emailLoss', 'knownBrowsers', guesses.forgetBrowsers)
  return {
    limits,
    gate: createGate({ limits }),
    guesses,
    proofs: createProofs({ limits, normalise: normaliseEmail, clock }),
    networks: createNetworks({ guesses, plainAddress, prefixesOf, transaction, audit }),
    // Counts that limit nothing any more, and browsers that were not seen for long.
    duties: [batchDuty('sweep-guesses', 3600, guesses.sweep), batchDuty('sweep-limits', 300, limits.sweep)],
  }
}
