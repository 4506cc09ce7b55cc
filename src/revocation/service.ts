/**
 * Revocation: ends a target with everything that belongs to it, at once and in every process (RFC
 * 7009 §2.1, RFC 9700 §4.14.2).
 */
import { Counter } from 'prom-client'
import type { ArtifactStore, EndOptions } from '../../adapters/index.ts'
import type { Audit, AuditEvent, Initiator } from '../audit/service.ts'
import type { Clock } from '../clock.ts'
import type { Transaction, Tx } from '../database/database.ts'
import type { Metrics } from '../metrics.ts'
import type { Origin } from '../origin.ts'
import type { Endings } from './endings.ts'
import { grantNotFound, momentRefused, sessionNotFound } from './errors.ts'

type Deps = {
  transaction: Transaction
  audit: Audit
  artifacts: Pick<
    ArtifactStore,
    | 'endAccount'
    | 'endClient'
    | 'endSessionByKey'
    | 'endGrantByKey'
    | 'endGrantsOf'
    | 'endAll'
    | 'denyToken'
    | 'listAccess'
  >
  consents: { delete: (tx: Tx, accountId: string, clientId: string) => Promise<boolean> }
  endings: Pick<Endings, 'run'>
  clock: Clock
  metrics: Metrics
}

/** What was ended, for the metric. */
type RevocationTarget = 'account' | 'client' | 'session' | 'grant' | 'consent' | 'token' | 'everything'

export type Revocation = ReturnType<typeof createRevocation>

export function createRevocation({ transaction, audit, artifacts, consents, endings, clock, metrics }: Deps) {
  const ended = new Counter({
    name: 'latchkey_revocations_total',
    help: 'Revocations of tokens, by what was ended',
    labelNames: ['what'],
    registers: [metrics],
  })

  /**
   * Ends and records in one transaction. Returns the number of removed rows: 0 does not mean that
   * nothing ended, because a JWT has no row.
   */
  async function end(
    what: RevocationTarget,
    event: Omit<AuditEvent, 'outcome'>,
    work: (tx: Tx) => Promise<number>,
  ): Promise<number> {
    const rows = await transaction(async (tx) => {
      const count = await work(tx)
      await audit.record(tx, { ...event, outcome: 'success', details: { ...event.details, rows: count } })
      return count
    })
    ended.inc({ what })
    return rows
  }

  /**
   * The target may get new tokens later, so the end is a moment. It is stored again after the
   * commit, for tokens issued meanwhile; the sweep does this when the process dies.
   */
  async function endIssuedUntilNow(
    what: RevocationTarget,
    event: Omit<AuditEvent, 'outcome'>,
    work: (tx: Tx, provisional: EndOptions) => Promise<number>,
  ): Promise<number> {
    const count = await end(what, event, (tx) => work(tx, { isProvisional: true }))
    return count + (await transaction((tx) => work(tx, { isProvisional: false })))
  }

  /**
   * The digest of a session or grant, as `listAccess` gives it; undefined for an invalid handle.
   */
  const keyOf = (handle: string): Buffer | undefined => {
    const key = Buffer.from(handle, 'base64url')
    return key.length === 32 && key.toString('base64url') === handle ? key : undefined
  }

  return {
    /** The sessions and grants of an account. `handle` is the argument of `session` and `grant`. */
    listAccess: async (accountId: string) => {
      const { sessions, grants } = await artifacts.listAccess(accountId)
      const withHandle = <T extends { key: Buffer }>({ key, ...rest }: T) => ({
        handle: key.toString('base64url'),
        ...rest,
      })
      return { sessions: sessions.map(withHandle), grants: grants.map(withHandle) }
    },

    /** Signs the account out everywhere: ends every session, grant and token. */
    revokeAccount: (accountId: string, by: Initiator): Promise<number> =>
      endIssuedUntilNow(
        'account',
        { action: 'account.tokens_ended', by, subject: { type: 'account', id: accountId } },
        async (tx, provisional) => {
          await endings.run('accountSignOut', tx, accountId)
          return artifacts.endAccount(tx, accountId, provisional)
        },
      ),

    /** Ends every grant and token of the client. The client may get new ones. */
    revokeClient: (clientId: string, by: Initiator): Promise<number> =>
      endIssuedUntilNow(
        'client',
        { action: 'client.tokens_ended', by, subject: { type: 'client', id: clientId }, clientId },
        (tx, provisional) => artifacts.endClient(tx, clientId, provisional),
      ),

    /** Ends a browser session and its tokens without offline access. Throws `session_not_found`. */
    revokeSession: (handle: string, by: Initiator): Promise<number> =>
      end('session', { action: 'session.ended', by, subject: { type: 'session', id: handle } }, async (tx) => {
        const key = keyOf(handle)
        const count = key ? await artifacts.endSessionByKey(tx, key) : 0
        if (count === 0) throw sessionNotFound()
        return count
      }),

    /** Ends one grant of an account to a client, and its tokens. Throws `grant_not_found`. */
    revokeGrant: (handle: string, by: Initiator): Promise<number> =>
      end('grant', { action: 'grant.ended', by, subject: { type: 'grant', id: handle } }, async (tx) => {
        const key = keyOf(handle)
        const count = key ? await artifacts.endGrantByKey(tx, key) : 0
        if (count === 0) throw grantNotFound()
        return count
      }),

    /**
     * Revokes the account's consent to the client: its tokens are invalid, and the next request
     * asks the user again.
     */
    revokeConsent: (accountId: string, clientId: string, by: Initiator): Promise<number> => {
      const subject = { type: 'account', id: accountId }
      return endIssuedUntilNow(
        'consent',
        { action: 'consent.withdrawn', by, subject, clientId },
        async (tx, provisional) => {
          await consents.delete(tx, accountId, clientId)
          return artifacts.endGrantsOf(tx, accountId, clientId, provisional)
        },
      )
    },

    /**
     * Ends everything issued up to `before` (milliseconds since the epoch, or now), sessions too.
     * Gives the moment, and how many rows were removed.
     * Throws `moment_refused` for an invalid moment, and for one in the future.
     */
    revokeAll: async (before: number | 'now', by: Initiator): Promise<{ beforeMs: number; rows: number }> => {
      const beforeMs = before === 'now' ? clock.now() : before
      if (!Number.isSafeInteger(beforeMs) || beforeMs > clock.now()) throw momentRefused()
      const event = { action: 'tokens.ended' as const, by, details: { before: new Date(beforeMs).toISOString() } }
      const rows =
        before === 'now'
          ? await endIssuedUntilNow('everything', event, (tx, provisional) =>
              artifacts.endAll(tx, undefined, provisional),
            )
          : await end('everything', event, (tx) => artifacts.endAll(tx, beforeMs))
      return { beforeMs, rows }
    },

    /** Denies one JWT at introspection (RFC 7009 §2.1). */
    revokeToken: async (
      jti: string,
      { clientId, accountId }: { clientId: string; accountId: string | undefined },
      origin: Origin,
    ): Promise<void> => {
      await end(
        'token',
        {
          action: 'access_token.denied',
          by: { actor: { type: 'client', id: clientId }, origin },
          clientId,
          ...(accountId !== undefined && { subject: { type: 'account', id: accountId } }),
        },
        async (tx) => {
          await artifacts.denyToken(tx, jti)
          return 0
        },
      )
    },
  }
}
