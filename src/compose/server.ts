/**
 * Parts of a server that are no feature: health, the request log, and documents that are answered
 * from memory.
 */
import { createRequestLog } from '../http/access-log.ts'
import { createReadiness, healthRoutes } from '../http/health.ts'
import { createIpOf } from '../http/ip.ts'
import { createPreparedDocuments } from '../http/prepared-documents.ts'
import { isRingConfirmed, sharedDocumentPaths } from '../oidc/index.ts'
import type { Platform } from './platform.ts'
import type { Tokens } from './tokens.ts'

export function createServing(platform: Platform, { keyRing }: Tokens) {
  const { config, database, redis, settings, processRegistry, clock, random, log } = platform
  const { jwksCacheSeconds: cacheSeconds, times } = config.signingKeys

  const readiness = createReadiness()
  const ipOf = createIpOf(config.trustProxy, processRegistry.noteUntrustedPeer)
  const logRequest = createRequestLog({ log, clock })
  const documents = createPreparedDocuments({
    paths: sharedDocumentPaths(),
    versionsOf: () => [keyRing.current().version, settings.get()],
    isConfirmed: () => isRingConfirmed({ keyRing, cacheSeconds, announcedMs: times.announcedMs }),
    ipOf,
    logRequest,
    random,
  })
  platform.features.add({
    routes: healthRoutes({
      log,
      checks: {
        database: database.state,
        keys: () => keyRing.confirm().then(() => true),
        clock: async () => clock.isRight(),
        stores: async () => processRegistry.isAgreed(),
        server: readiness.state,
      },
      // Without Redis, Postgres stores the same data.
      spare: { redis: redis?.state },
    }),
  })
  return { readiness, ipOf, logRequest, documents }
}
