/**
 * The artifact store: builds its parts over Postgres and Redis, and defines its interface for the
 * rest of the program.
 */
import type { Cluster, Redis } from 'ioredis'
import type { Pool } from 'pg'
import type { Clock } from '../src/clock.ts'
import type { Log } from '../src/log.ts'
import { createAccessList } from './access-list.ts'
import { createCollector } from './collect.ts'
import { createSidOf, createUserCodeDigest, sessionKey } from './digest.ts'
import { createEndedRows } from './ended-rows.ts'
import { createEngineAdapter } from './engine-adapter.ts'
import { ArtifactStoreUnavailable, withPostgres } from './errors.ts'
import { createFlusher } from './flush.ts'
import { createGrantEndings } from './grants.ts'
import type { EndsAt } from './last-use.ts'
import { createLastUse } from './last-use.ts'
import { createLoader } from './load.ts'
import type { ModelName, Models } from './model.ts'
import { createOutcomes } from './outcomes.ts'
import { createParkedRequests } from './parked-requests.ts'
import { createPostgres } from './postgres/connection.ts'
import { createReads } from './postgres/reads.ts'
import { createSweep } from './postgres/sweep.ts'
import { createWrites } from './postgres/writes.ts'
import { createReader } from './read.ts'
import { createShortLived } from './redis/short-lived.ts'
import { createRefreshGrace } from './refresh-grace.ts'
import { createRequestUnits } from './request-units.ts'
import type { EndedSession, Tx } from './revocations.ts'
import { createEnds } from './revocations.ts'
import { createBearerSeal, createSeal, createSuccessorSeal } from './seal.ts'
import { createSessionRenaming, hasSession } from './session-renaming.ts'
import { createSpentTokens } from './spent-token-trimming.ts'
import type { FamilyEnd } from './token-families.ts'
import { createTokenFamilies } from './token-families.ts'
import { createTokenIds } from './token-ids.ts'

// The longest window of a client, with a margin.
const longestWindowMs = 360_000

const storesDiffer = 'processes of this database keep tokens in different stores'

export type StoreDeps = {
  pool: Pool
  /** Connections pass through a pooler such as PgBouncer. */
  isPooled?: boolean
  redis?: Redis | Cluster
  /** For rare, audited events: the end of a token family. */
  transaction: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>
  clock: Clock
  log: Log
  deriveKey: (purpose: string) => Buffer
  /**
   * How long a spent refresh token gives its own client the same successor again, in seconds; 0:
   * never.
   */
  graceSeconds: (clientId: string) => Promise<number>
  /** Whether all processes of this database use the same stores. Absent: there is one process. */
  areStoresAgreed?: () => boolean
  /** The part of `scope` that the client may have now. The default is all of it. */
  allowedScope?: (clientId: string, scope: string) => Promise<string>
  /**
   * When the window of a token spent at `spentAt` begins (milliseconds): later when a store was
   * unavailable meanwhile. Called only when the window would be over.
   */
  graceBegins?: (spentAt: number, windowMs: number) => Promise<number>
  /**
   * For tokens spent until then (milliseconds) no window is open, and no outage can open one again.
   */
  graceWindowsClosedUntil?: () => Promise<number>
  /** When a session or refresh token ends by the current configuration. */
  endsAt?: EndsAt
  /** Called in the transaction that ends a family because of theft. */
  onFamilyEnded?: (tx: Tx, event: FamilyEnd) => Promise<void> | void
  /**
   * Called in the transaction that removes ended browser sessions, for every cause of their end.
   */
  onSessionsEnded?: (tx: Tx, sessions: readonly EndedSession[]) => Promise<void> | void
  /**
   * Called in the transaction of an end that leaves rows or is provisional. After the commit,
   * `removeEnded` removes the rows and completes the end.
   */
  onRowsLeft?: (tx: Tx, key: Buffer) => Promise<void> | void
  /** Called when a spent refresh token gave its own client the current one again. */
  onRepeated?: () => void
}

export function createStore(models: Models, deps: StoreDeps) {
  const { redis, clock, log, deriveKey } = deps
  const { now } = clock
  const { graceSeconds, onFamilyEnded = () => {}, onRepeated = () => {} } = deps
  const { onSessionsEnded = () => {}, allowedScope = async (_clientId, scope) => scope } = deps
  const { graceBegins = async (spentAt) => spentAt, endsAt = async () => undefined } = deps
  const { graceWindowsClosedUntil = async () => now() - longestWindowMs } = deps
  const { onRowsLeft = () => {}, areStoresAgreed = () => true } = deps
  const seal = createSeal(deriveKey('artifacts'))
  const successors = createSuccessorSeal(deriveKey('artifact successors'))
  const responses = createBearerSeal(deriveKey('interaction outcomes'), 'resumed response')
  const sidOf = createSidOf(deriveKey('session names'))
  const userCodeDigest = createUserCodeDigest(deriveKey('artifact user codes'))
  const postgres = createPostgres(deps.pool, { isPooled: deps.isPooled })
  const reads = createReads({ postgres, models, now })
  const writes = createWrites({ postgres, seal, models, now })
  const shortLived = redis && createShortLived({ redis, seal, now })
  const isInRedis = (model: ModelName): boolean => shortLived !== undefined && models[model].home === 'redis'
  const removeRows = createEndedRows({ models, seal, sidOf, onSessionsEnded })
  const ends = createEnds({ now, models, removeRows, transaction: deps.transaction, onRowsLeft })
  const lastUse = createLastUse({ endsAt, expire: writes.expire, now })
  const transaction = <T>(work: (tx: Tx) => Promise<T>): Promise<T> => withPostgres(() => deps.transaction(work))

  const loader = createLoader({ models, reads, shortLived, isInRedis, seal, lastUse, now })
  const families = createTokenFamilies({ loader, reads, ends, successors, transaction, allowedScope, onFamilyEnded })
  const refreshGrace = createRefreshGrace({ graceSeconds, graceBegins, now })
  const reader = createReader({ models, loader, families, refreshGrace, reads, writes, lastUse, userCodeDigest, now })
  const flusher = createFlusher({ models, writes, shortLived, ends, transaction, isInRedis })
  const collector = createCollector({ models, writes, flusher, lastUse, isInRedis, userCodeDigest, now })
  const grantEndings = createGrantEndings({ loader, reader, flusher, families, refreshGrace, successors, onRepeated })

  /**
   * When one process uses Redis and another Postgres, neither finds or ends the other's tokens: the
   * request is refused.
   */
  function refuseDisagreement(model: ModelName): void {
    if (models[model].home === 'redis' && !areStoresAgreed()) throw new ArtifactStoreUnavailable(storesDiffer)
  }

  const units = createRequestUnits({ reader, flusher, grantEndings, responses, refuseDisagreement, log, now })

  return {
    /**
     * The engine's AdapterFactory. Every method throws ArtifactStoreUnavailable when a store that
     * it needs is unavailable.
     */
    adapter: createEngineAdapter({ units, reader, collector }),

    prefetch: units.prefetch,
    middleware: units.middleware,
    wrapGrant: units.wrapGrant,
    issuedAt: units.issuedAt,
    resumes: units.resumes,
    setAnswer: units.setAnswer,
    generationOf: units.generationOf,

    /**
     * Each takes the caller's transaction first, and takes effect in every process when that
     * commits.
     */
    endAccount: units.endedHere(ends.endAccount),
    endClient: units.endedHere(ends.endClient),
    endSession: ends.endSession,
    endSessionByKey: ends.endSessionByKey,
    endSessionsOf: ends.endSessionsOf,
    renameSession: createSessionRenaming({ models, seal }),
    hasSession,
    endGrantByKey: ends.endGrantByKey,
    endGrantsOf: units.endedHere(ends.endGrantsOf),
    endAll: units.endedHere(ends.endAll),
    endSigningKey: ends.endSigningKey,
    denyToken: ends.denyToken,
    removeEnded: ends.removeEnded,
    removeLeftovers: ends.removeLeftovers,

    /**
     * Denies a client's token that no store has: it stays invalid if Redis restores it (RFC 7009
     * §2.1). `lifetimeSeconds`: the longest lifetime of the client's access tokens.
     */
    denyLost: (clientId: string, token: string, lifetimeSeconds: number): Promise<void> =>
      units.inUnit(undefined, async (unit) => collector.denyLost(unit, clientId, token, lifetimeSeconds)),

    /** The `jti` of JWTs, which have no rows. */
    tokenIds: createTokenIds({ seal: createSeal(deriveKey('token ids'), 'token id'), reads }),

    /** The key for listing and ending a session. It is no credential. */
    sessionKey,

    /** The name of a session at one client (OpenID Connect Back-Channel Logout 1.0 §2.1, `sid`). */
    sidOf,

    /** Decides interactions, and repeats a decision for a moment. */
    outcomes: createOutcomes({ postgres, seal: responses, now }),

    /** Lists the sessions and grants of an account. */
    listAccess: createAccessList({ postgres, models, seal, endsAt, now }),

    ...createParkedRequests({ shortLived, writes, seal, now, refuseDisagreement }),

    /**
     * Removes at most `limit` expired rows. Gives how many. Spent codes and refresh tokens stay
     * until they expire, so that theft is detected.
     */
    sweep: createSweep({ postgres, now }),

    /**
     * One run that reduces spent refresh tokens, after their window, to the data that detects
     * theft. Gives how many.
     */
    trimSpent: createSpentTokens({ postgres, models, seal, graceWindowsClosedUntil }),
  }
}
