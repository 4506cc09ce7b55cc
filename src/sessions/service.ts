/**
 * Browser sessions: records their details, lists and ends them. Tokens without offline access end
 * with their session (OpenID Connect Core 1.0 §11).
 */
import type { ArtifactStore } from '../../adapters/index.ts'
import type { Audit } from '../audit/service.ts'
import type { Clock } from '../clock.ts'
import type { Queryable, Transaction, Tx } from '../database/database.ts'
import type { Origin } from '../origin.ts'
import type { Random } from '../random.ts'
import type { BrowserName } from './browsers.ts'
import { describeBrowser } from './browsers.ts'
import { sessionGone } from './errors.ts'
import * as repository from './repository.ts'

type Deps = {
  db: Queryable
  transaction: Transaction
  audit: Audit
  artifacts: Pick<
    ArtifactStore,
    'endSession' | 'endSessionByKey' | 'endSessionsOf' | 'hasSession' | 'renameSession' | 'listAccess' | 'sessionKey'
  >
  /** The location of an ip as text; undefined when it is unknown or not configured. */
  locate: (ip: string) => string | undefined
  /** Forgets the remembered browsers, which need no second factor, within the transaction. */
  deleteRememberedBrowsers: (tx: Tx, accountId: string) => Promise<void>
  clock: Clock
  random: Random
}

/** The session of a request: its uid, the id with which it was loaded, and its generation. */
type OwnSession = Readonly<{ uid: string; id: string; generation: number }>

export type Sessions = ReturnType<typeof createSessions>

/**
 * A session as its user sees it. Times are milliseconds since the epoch. `handle` names it and is
 * no credential.
 */
export type SessionView = BrowserName &
  Readonly<{
    handle: string
    isThis: boolean
    signedInAt: number | undefined
    lastSeenAt: number | undefined
    geolocation: string | undefined
  }>

type SessionUse = Readonly<{ uid: string; accountId: string; userAgent: string; ip: string | undefined }>

/** The precision of "last seen", so that not every request writes. */
const seenAgainAfterMs = 5 * 60_000
const maxSeenSessions = 10_000
const longestUserAgent = 400
const sweepBatchSize = 1000
const dayMs = 86_400_000

export function createSessions({ db, transaction, audit, artifacts, locate, clock, random, ...deps }: Deps) {
  const seenAt = new Map<string, number>()

  async function list(accountId: string, thisUid?: string): Promise<SessionView[]> {
    const [{ sessions }, details] = await Promise.all([
      artifacts.listAccess(accountId),
      repository.listDetails(db, accountId),
    ])
    const own = thisUid === undefined ? undefined : artifacts.sessionKey(thisUid)
    return sessions.map(({ key, signedInAt }) => {
      const detail = details.find((one) => one.key.equals(key))
      return {
        ...describeBrowser(detail?.userAgent ?? ''),
        handle: key.toString('base64url'),
        isThis: own?.equals(key) ?? false,
        signedInAt,
        lastSeenAt: detail?.lastSeenAt,
        geolocation: detail?.ip === undefined ? undefined : locate(detail.ip),
      }
    })
  }

  return {
    list,

    /** Records a request of the session, with the data by which the user recognises it. */
    note: async ({ uid, accountId, userAgent, ip }: SessionUse): Promise<void> => {
      const at = clock.now()
      const before = seenAt.get(uid)
      if (before !== undefined && at - before < seenAgainAfterMs && at >= before) return
      const oldest = seenAt.size >= maxSeenSessions ? seenAt.keys().next().value : undefined
      if (oldest !== undefined) seenAt.delete(oldest)
      seenAt.set(uid, at)
      const key = artifacts.sessionKey(uid)
      await repository.putDetail(db, {
        key,
        accountId,
        ip,
        at,
        userAgent: userAgent
          .toWellFormed()
          .replaceAll(/\p{Cc}/gu, ' ')
          .slice(0, longestUserAgent)
          .toWellFormed(),
      })
    },

    /**
     * Ends the session `sessionUid` of `accountId` with its tokens, and records it in the audit
     * trail, in one transaction.
     */
    end: (sessionUid: string, accountId: string | undefined, origin: Origin): Promise<void> =>
      transaction(async (tx) => {
        await artifacts.endSession(tx, sessionUid)
        if (accountId === undefined) return
        await audit.recordOwn(tx, { action: 'account.signed_out', accountId, origin })
      }),

    /** Ends one of the account's own sessions. Throws `session_gone` for any other session. */
    endOwn: async (accountId: string, handle: string, origin: Origin): Promise<void> => {
      const { sessions } = await artifacts.listAccess(accountId)
      const found = sessions.find(({ key }) => key.toString('base64url') === handle)
      if (!found) throw sessionGone()
      await transaction(async (tx) => {
        await artifacts.endSessionByKey(tx, found.key)
        await audit.recordOwn(tx, { action: 'account.signed_out', accountId, origin })
      })
    },

    /**
     * Ends every session of the account except `own`, which is renamed first: nothing more is
     * written under its old id.
     * Gives the new id and its expiry (milliseconds). Throws `session_gone` when `own` has ended.
     */
    endOthers: async (accountId: string, own: OwnSession, origin: Origin) => {
      const ownKey = artifacts.sessionKey(own.uid)
      return transaction(async (tx) => {
        const renamed = await artifacts.renameSession(tx, own, {
          accountId,
          generation: own.generation,
          id: random.token(),
        })
        // When another request, perhaps an attacker's, has renamed `own`, it ends with the others.
        if (!renamed && !(await artifacts.hasSession(tx, own.uid))) throw sessionGone()
        await deps.deleteRememberedBrowsers(tx, accountId)
        const count = await artifacts.endSessionsOf(tx, accountId, renamed && ownKey)
        if (count > 0) await audit.recordOwn(tx, { action: 'account.signed_out_elsewhere', accountId, origin })
        return renamed
      })
    },

    /** Removes the details of sessions that have ended. Gives how many. */
    sweep: (): Promise<number> => repository.sweepDetails(db, clock.now() - dayMs, sweepBatchSize),
  }
}
