/** Where the engine keeps its artifacts: which model lives where, and the store that everything else sees. */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Cluster, Redis } from 'ioredis'
import type { Adapter } from 'oidc-provider'
import type { Pool } from 'pg'
import type { Clock } from '../src/clock.ts'
import type { Log } from '../src/log.ts'
import { createAccessList } from './access-list.ts'
import { createArtifacts } from './artifacts.ts'
import { createSidOf, rowId, sessionKey } from './digest.ts'
import { createEndedRows } from './ended-rows.ts'
import type { EndedSession, Tx } from './ends.ts'
import { createEnds } from './ends.ts'
import { ArtifactStoreUnavailable } from './errors.ts'
import type { FamilyEnd, GrantContext } from './grants.ts'
import { createGrantEndings } from './grants.ts'
import type { EndsAt } from './last-use.ts'
import { createLastUse } from './last-use.ts'
import type { ModelName, Models, Payload } from './model.ts'
import { modelNames } from './model.ts'
import { answerDigest, createOutcomes, outcomeKey } from './outcomes.ts'
import { createParkedRequests } from './parked.ts'
import { createPostgres } from './postgres/connection.ts'
import { createReads } from './postgres/reads.ts'
import { createSweep } from './postgres/sweep.ts'
import { createWrites } from './postgres/writes.ts'
import { createShortLived } from './redis/short-lived.ts'
import { createBearerSeal, createSeal, createSuccessorSeal } from './seal.ts'
import { createSessionRenaming, hasSession } from './session-renaming.ts'
import { createSpentTokens } from './spent.ts'
import { createTokenIds } from './token-ids.ts'
import type { Unit } from './unit-of-work.ts'
import { createUnit } from './unit-of-work.ts'

export type { Provisional } from './ends.ts'
export { ArtifactStoreUnavailable, Replayed, requestUriUsed, StaleBrowser } from './errors.ts'
export type { FamilyEnd } from './grants.ts'
export type { ModelName } from './model.ts'

/**
 * Which model lives where. Postgres: being wrong about one lets somebody in or throws somebody out. `redis`: short-lived and hot, losing one
 * costs a retry; in Postgres when there is no Redis. A number stays with its model for ever: it is in the rows.
 */
export const models: Models = {
  Session: { number: 1, home: 'postgres' },
  Grant: { number: 2, home: 'postgres' },
  AuthorizationCode: { number: 3, home: 'postgres', spentAs: 'source' },
  RefreshToken: { number: 4, home: 'postgres', spentAs: 'source' },
  AccessToken: { number: 5, home: 'redis', isDenied: true },
  ClientCredentials: { number: 6, home: 'redis', isDenied: true },
  Interaction: { number: 7, home: 'redis' },
  DeviceCode: { number: 8, home: 'postgres', spentAs: 'source' },
  BackchannelAuthenticationRequest: { number: 9, home: 'postgres', spentAs: 'source' },
  PreAuthorizedCode: { number: 10, home: 'postgres', spentAs: 'source' },
  PushedAuthorizationRequest: { number: 11, home: 'postgres', spentAs: 'request' },
  ReplayDetection: { number: 12, home: 'postgres', spentAs: 'proof' },
  InitialAccessToken: { number: 13, home: 'postgres' },
  RegistrationAccessToken: { number: 14, home: 'postgres' },
  ParkedRequest: { number: 15, home: 'redis' },
}

// The longest window of a client, and some room.
const longestWindowMs = 360_000

const storesDiffer = 'processes of this database keep tokens in different stores'

type Deps = {
  pool: Pool
  /** A pooler such as PgBouncer stands between. */
  isPooled?: boolean
  redis?: Redis | Cluster
  /** For what happens rarely and is audited: the end of a family of tokens. */
  transaction: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>
  clock: Clock
  log: Log
  deriveKey: (purpose: string) => Buffer
  /** How long a spent refresh token gives its own client the same successor again, in seconds; 0: never. */
  graceSeconds: (clientId: string) => Promise<number>
  /** Whether all processes of this database keep their tokens in the same stores. Absent: there is one process. */
  areStoresAgreed?: () => boolean
  /** What of `scope` the client may have now; all of it where nothing is said. */
  allowedScope?: (clientId: string, scope: string) => Promise<string>
  /**
   * When the window of a token that was spent at `spentAt` begins, in milliseconds since the epoch: later than that when a store did not
   * answer meanwhile. Asked only when the window would be over.
   */
  graceBegins?: (spentAt: number, windowMs: number) => Promise<number>
  /** Of what was spent until then (milliseconds) no window is open, and none can begin again, whatever outage comes. */
  windowsOverUntil?: () => Promise<number>
  /** When a session or refresh token is over by what is configured now. */
  endsAt?: EndsAt
  /** Told in the transaction that ends a family because of theft. */
  onFamilyEnded?: (tx: Tx, event: FamilyEnd) => Promise<void> | void
  /** Told in the transaction that removes browser sessions which have ended, whatever asked for it. */
  onSessionsEnded?: (tx: Tx, sessions: readonly EndedSession[]) => Promise<void> | void
  /** Told in the transaction that ends something of which rows are left: `removeEnded` takes the key after its commit. */
  onRowsLeft?: (tx: Tx, key: Buffer) => Promise<void> | void
  /** Told when a spent refresh token gave its own client the living one again. */
  onRepeated?: () => void
}

export type ArtifactStore = ReturnType<typeof createArtifactStore>

// The engine's clients are rows of our own room; it never asks this store for one.
const isModel = (name: string): name is ModelName => (modelNames as readonly string[]).includes(name)

/** The store over Postgres, and over Redis for what is short-lived when there is one. */
export function createArtifactStore(deps: Deps) {
  const { redis, clock, log, deriveKey } = deps
  const { now } = clock
  const { transaction, graceSeconds, onFamilyEnded = () => {}, onRepeated = () => {} } = deps
  const { onSessionsEnded = () => {}, allowedScope = async (_clientId, scope) => scope } = deps
  const { graceBegins = async (spentAt) => spentAt, endsAt = async () => undefined } = deps
  const { windowsOverUntil = async () => now() - longestWindowMs } = deps
  const { onRowsLeft = () => {}, areStoresAgreed = () => true } = deps
  const seal = createSeal(deriveKey('artifacts'))
  const successors = createSuccessorSeal(deriveKey('artifact successors'))
  const postgres = createPostgres(deps.pool, { isPooled: deps.isPooled })
  const reads = createReads({ postgres, models, now })
  const writes = createWrites({ postgres, seal, models, now })
  const shortLived = redis && createShortLived({ redis, seal, now })
  const sidOf = createSidOf(deriveKey('session names'))
  const removeRows = createEndedRows({ models, seal, sidOf, onSessionsEnded })
  const ends = createEnds({ now, models, removeRows, transaction, onRowsLeft })
  const lastUse = createLastUse({ endsAt, expire: writes.expire, now })
  const artifacts = createArtifacts({
    models,
    reads,
    writes,
    shortLived,
    ends,
    seal,
    successors,
    now,
    transaction,
    graceSeconds,
    allowedScope,
    graceBegins,
    lastUse,
    userCodeKey: deriveKey('artifact user codes'),
  })
  const responses = createBearerSeal(deriveKey('interaction outcomes'), 'resumed response')
  const outcomes = createOutcomes({ postgres, seal: responses, now })
  const grantEndings = createGrantEndings({ artifacts, ends, successors, onFamilyEnded, onRepeated })
  const units = new AsyncLocalStorage<Unit>()

  /** What one process keeps in Redis and another in Postgres is not found, written or ended by either: nothing is decided. */
  function refuseDisagreement(model: ModelName): void {
    if (models[model].home === 'redis' && !areStoresAgreed()) throw new ArtifactStoreUnavailable(storesDiffer)
  }

  /** Runs in the request's unit of work, or, outside any, in one of its own that is written at once. */
  async function inUnit<T>(model: ModelName | undefined, work: (unit: Unit) => Promise<T>): Promise<T> {
    if (model) refuseDisagreement(model)
    const current = units.getStore()
    return current ? work(current) : inOwnUnit(work)
  }

  async function inOwnUnit<T>(work: (unit: Unit) => Promise<T>): Promise<T> {
    const unit = createUnit(now())
    const result = await work(unit)
    await artifacts.flush(unit)
    return result
  }

  /** What a request writes after it has ended something itself is newer than the end. */
  const endedHere =
    <A extends unknown[]>(end: (...args: A) => Promise<number>) =>
    async (...args: A): Promise<number> => {
      const count = await end(...args)
      const unit = units.getStore()
      if (unit) unit.beganAt = undefined
      return count
    }

  function adapter(name: string): Adapter {
    const model = (): ModelName => {
      if (isModel(name)) return name
      throw new TypeError(`the artifact store has no model ${name}`)
    }
    const inModel = async <T>(work: (unit: Unit, of: ModelName) => Promise<T>): Promise<T> => {
      const of = model()
      return inUnit(of, (unit) => work(unit, of))
    }
    return {
      find: (id) => inModel((unit, of) => artifacts.find(unit, of, id)),
      findByUid: (uid) => inModel((unit) => artifacts.findByUid(unit, uid)),
      findByUserCode: (userCode) => inModel((unit) => artifacts.findByUserCode(unit, userCode)),
      upsert: (id, payload, expiresIn) =>
        inModel((unit, of) => artifacts.upsert(unit, of, id, payload as Payload, expiresIn)),
      consume: (id) => inModel((unit, of) => artifacts.consume(unit, of, id)),
      destroy: (id) => inModel(async (unit, of) => artifacts.destroy(unit, of, id)),
      revokeByGrantId: (grantId) => inUnit(undefined, async (unit) => artifacts.revokeByGrantId(unit, grantId)),
    }
  }

  return {
    /** The engine's AdapterFactory. Every method throws ArtifactStoreUnavailable when a store it needs is away. */
    adapter,

    /** Says what this request will ask for, so that it is read together with what it asks for first. Gives and throws nothing. */
    expect(model: ModelName, id: string): void {
      const unit = units.getStore()
      if (unit) artifacts.expect(unit, model, id)
    },

    /**
     * Koa middleware: one unit of work for the request, written before the answer goes out. What it writes is as old as the request, which came
     * at `receivedAt` (milliseconds since the epoch).
     */
    async middleware(_ctx: unknown, next: () => Promise<unknown>, receivedAt = now()): Promise<void> {
      const unit = createUnit(receivedAt)
      await units.run(unit, async () => {
        try {
          await next()
        } catch (error) {
          // The request has failed: it gives nothing, and what it ended stays ended.
          unit.upserts.clear()
          await artifacts
            .flush(unit)
            .catch((cause) => log.error({ err: cause }, 'a failed request could not be undone'))
          throw error
        }
        await artifacts.flush(unit)
      })
    },

    /**
     * Wraps a grant handler of the engine, so that what it issues is written before `grant.success` is told. Throws the engine's InvalidGrant when
     * what was presented was spent meanwhile.
     */
    wrapGrant<Ctx extends GrantContext>(handler: (ctx: Ctx) => void | Promise<void>): (ctx: Ctx) => Promise<void> {
      return (ctx) => {
        const run = async (unit: Unit): Promise<void> => {
          unit.isGranting = true
          try {
            await handler(ctx)
          } catch (error) {
            await grantEndings.abandon(unit, ctx, error)
            throw error
          } finally {
            unit.isGranting = false
          }
          await grantEndings.settle(unit, ctx)
        }
        const current = units.getStore()
        if (current) return run(current)
        const unit = createUnit(now())
        return units.run(unit, () => run(unit))
      }
    },

    /** Each takes the caller's transaction first, and is in effect everywhere when that commits. */
    endAccount: endedHere(ends.endAccount),
    endClient: endedHere(ends.endClient),
    endSession: ends.endSession,
    endSessionByKey: ends.endSessionByKey,
    endSessionsOf: ends.endSessionsOf,
    renameSession: createSessionRenaming({ models, seal }),
    hasSession,
    endGrantByKey: ends.endGrantByKey,
    endGrantsOf: endedHere(ends.endGrantsOf),
    endAll: endedHere(ends.endAll),
    endSigningKey: ends.endSigningKey,
    denyToken: ends.denyToken,
    removeEnded: ends.removeEnded,
    removeLeftovers: ends.removeLeftovers,

    /** How old what this request issues is, in milliseconds since the epoch: as old as the request. */
    issuedAt: (): number => units.getStore()?.beganAt ?? now(),

    /**
     * Denies a token that the client gives back and that no store has: it stays dead when Redis comes back with it (RFC 7009 §2.1). A token of
     * another client is not touched. `lifetimeSeconds`: the longest that the client's access tokens live.
     */
    denyLost: (clientId: string, token: string, lifetimeSeconds: number): Promise<void> =>
      inUnit(undefined, async (unit) => artifacts.denyLost(unit, clientId, token, lifetimeSeconds)),

    /** The `jti` of JWTs, of which there are no rows. */
    tokenIds: createTokenIds({ seal: createSeal(deriveKey('token ids'), 'token id'), reads }),

    /** The name under which a session is listed and ended, which opens nothing. */
    sessionKey,

    /** The name of a session at one client (OpenID Connect Back-Channel Logout 1.0 §2.1, `sid`). */
    sidOf,

    /** Decides interactions, and repeats for a moment what was decided. */
    outcomes,

    /**
     * This request resumes the interaction `uid`: what it writes is written once. `response` gives the answer to be repeated, when the
     * request is otherwise done.
     */
    resumes(uid: string, response: () => string): void {
      const unit = units.getStore()
      const key = outcomeKey(uid)
      if (!unit) return
      unit.outcome = {
        key,
        interaction: rowId('Interaction', uid),
        response: () => responses.seal(uid, response(), key),
      }
    },

    /** This request answers the interaction `uid`: what it writes is written only if no other answer was given. */
    answers(uid: string, answer: string): void {
      const unit = units.getStore()
      if (!unit) return
      const interaction = rowId('Interaction', uid)
      unit.decision = { key: outcomeKey(uid), interaction, answer: answerDigest(answer) }
    },

    /** The generation in the row of the session `uid`, which this request has loaded; -1 when it has not. */
    generationOf: (uid: string): number => {
      const session = units.getStore()?.session
      return session?.key.equals(sessionKey(uid)) ? session.generation : -1
    },

    /** What a person is signed in to, and what hangs from it. */
    listAccess: createAccessList({ postgres, models, seal, endsAt, now }),

    ...createParkedRequests({ shortLived, writes, seal, now, refuseDisagreement }),

    /** Removes at most `limit` expired rows; gives how many. Spent codes and refresh tokens stay until they expire: theft must show. */
    sweep: createSweep({ postgres, now }),

    /** One turn of the sweep that keeps of a spent refresh token, once its window is over, only what shows a theft. Gives how many. */
    trimSpent: createSpentTokens({ postgres, models, seal, windowsOverUntil }),
  }
}
