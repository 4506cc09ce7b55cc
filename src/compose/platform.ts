/** The platform: what all features are built on. It depends on no feature. */
import { openRootSecret } from '../../keys/root-secret.ts'
import { createSealer } from '../../keys/sealer.ts'
import { createAuditFeature } from '../audit/index.ts'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { isStrictAboutSentences } from '../config/modes.ts'
import type { Database } from '../database/database.ts'
import { createOutages } from '../database/outages.ts'
import type { ClockOffset } from '../following-clock.ts'
import { createFollowingClock } from '../following-clock.ts'
import type { DevelopmentNotes } from '../home/routes.ts'
import { createJobsFeature } from '../jobs/index.ts'
import { createSentences } from '../locales.ts'
import type { Log } from '../log.ts'
import { createMetrics } from '../metrics.ts'
import { createOutbound } from '../outbound/service.ts'
import { kinds } from '../outbox/kinds/index.ts'
import { createOutbox } from '../outbox/service.ts'
import { createProcessRegistry } from '../process-registry/service.ts'
import type { Random } from '../random.ts'
import { openRedis } from '../redis/connection.ts'
import { createEndings } from '../revocation/index.ts'
import { createSettings } from '../settings/service.ts'
import { createFeatureList } from './features.ts'

export type PartsDeps = {
  config: Config
  database: Database
  /** A connection without a pooler, because the queue uses LISTEN. */
  queueUrl: string
  clock: Clock
  /** Measures how far `clock` differs from the database. Undefined: `clock` is used unchanged. */
  measureClock?: () => Promise<ClockOffset>
  random: Random
  log: Log
  /** The number of passwords hashed at the same time in this process. */
  hashingSlots: number
  /** The text of a development server's home page; undefined in production. */
  developmentNotes?: DevelopmentNotes
  /** Known sample values that production refuses. */
  refusedSecrets: readonly string[]
}

export type Platform = Awaited<ReturnType<typeof createPlatform>>

export async function createPlatform(deps: PartsDeps) {
  const { config, database, queueUrl, random, log } = deps
  const { knex, transaction, changes } = database
  const clock = createFollowingClock({ system: deps.clock, measure: deps.measureClock, log })
  await clock.follow()
  const features = createFeatureList()
  const { add } = features

  const metrics = createMetrics()
  const sentences = createSentences({ isStrict: isStrictAboutSentences(config) })
  const sealer = createSealer(config.masterKey, config.previousMasterKey)
  const rootSecret = await openRootSecret({ transaction, sealer, random, clock })
  const redis = openRedis({ url: config.redisUrl, log })
  add({ close: async () => redis?.close() })
  const outbound = add(await createOutbound({ allowed: config.outboundAllow, metrics }))
  const { queue } = add(createJobsFeature({ url: queueUrl, knex, log, metrics }))
  const outbox = add(createOutbox({ kinds, enqueue: queue.enqueue, sealer, random }))
  const { audit } = createAuditFeature({ db: knex, clock, random, outbox, log })
  const { environment } = config
  const settings = add(await createSettings({ db: knex, transaction, changes, audit, clock, log, environment }))
  const processRegistry = add(createProcessRegistry({ db: knex, clock, random, log, redisUrl: config.redisUrl }))

  return {
    config,
    database,
    clock,
    random,
    log,
    features,
    metrics,
    sentences,
    sealer,
    rootSecret,
    redis,
    outbound,
    queue,
    outbox,
    audit,
    settings,
    processRegistry,
    outages: createOutages({ db: knex, clock, log }),
    endings: createEndings(),
    serviceName: () => settings.get().serviceName,
  }
}
