/** Composes browser sessions, and the logout notifications to clients. */
import { createLogoutFeature } from '../logout/index.ts'
import { createLogoutTokens } from '../oidc/index.ts'
import { createSessionsFeature } from '../sessions/index.ts'
import type { Identity } from './identity.ts'
import type { Platform } from './platform.ts'
import type { Tokens } from './tokens.ts'

export type SessionParts = Awaited<ReturnType<typeof createSessionParts>>

export async function createSessionParts(platform: Platform, tokens: Tokens, { clients }: Identity) {
  const { config, database, outbox, audit, endings, sealer, clock, random, log, metrics } = platform
  const { artifacts, keyRing } = tokens
  const { knex: db, transaction } = database
  const { issuer, geoipDatabase } = config
  const { add } = platform.features

  const { sessions } = add(
    await createSessionsFeature({ db, transaction, audit, artifacts, geoipDatabase, endings, clock, random }),
  )
  const { logout } = add(
    createLogoutFeature({
      db,
      transaction,
      clients,
      enqueue: platform.queue.enqueue,
      request: platform.outbound.request,
      makeLogoutToken: createLogoutTokens({ issuer, keyRing, now: clock.now, random }),
      endings,
      outbox,
      audit,
      sealer,
      clock,
      random,
      log,
      metrics,
    }),
  )

  return { sessions, logout }
}
