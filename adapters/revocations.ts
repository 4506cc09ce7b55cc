/**
 * Ends everything that belongs to a grant, a session, an account, a client or a period, inside the
 * caller's transaction. docs/decisions/0104 and docs/decisions/0165
 */
import type { Knex } from 'knex'
import { consentKey, endKey, sessionKey } from './digest.ts'
import type { createEndedRows, EndedItem, Tx } from './ended-rows.ts'
import { createEndedSweep } from './ended-sweep.ts'
import type { Models } from './model.ts'
import { storableText } from './postgres/binary-array.ts'
import { lives, permanentEnd } from './postgres/ended.ts'

export type { EndedSession, Tx } from './ended-rows.ts'

// An end is stored longer than a Redis value (24 h) or a JWT (1 h) is valid: both have no row.
// It is stored at least until all its rows are removed.
export const longestInRedisMs = 24 * 60 * 60 * 1000
const denialRetentionMs = 60 * 60 * 1000
const endRetentionMs = longestInRedisMs + denialRetentionMs

// A transaction removes the rows of at most this many ended sessions itself.
const sessionsAtOnce = 20

type Deps = {
  now: () => number
  models: Models
  removeRows: ReturnType<typeof createEndedRows>
  transaction: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>
  /**
   * Called in the transaction of an end that leaves rows or is provisional. After the commit,
   * `removeEnded` removes the rows and completes the end.
   */
  onRowsLeft: (tx: Tx, key: Buffer) => Promise<void> | void
}

/**
 * A provisional end is stored again after the commit, so that it covers tokens issued meanwhile.
 * The sweep does this when the command has terminated.
 */
export type EndOptions = { isProvisional?: boolean }

export type Ends = ReturnType<typeof createEnds>

export function createEnds({ now, models, removeRows, transaction, onRowsLeft }: Deps) {
  const sweep = createEndedSweep({ now, removeRows, transaction })

  /** Stores the end under `key`. Gives whether no end as late as this one was stored before. */
  async function storeEnd(
    tx: Tx,
    key: Buffer,
    endedAt: number,
    { until = now() + endRetentionMs, isProvisional = false }: { until?: number } & EndOptions = {},
  ): Promise<boolean> {
    const { rows } = await tx.raw(
      `INSERT INTO artifact_end AS e (key, ended_at, expires_at, is_provisional) VALUES (?, ?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET ended_at = excluded.ended_at, expires_at = greatest(e.expires_at, excluded.expires_at),
         is_provisional = excluded.is_provisional
       WHERE e.ended_at < excluded.ended_at RETURNING 1`,
      [key, endedAt, until, isProvisional],
    )
    if (rows.length > 0) return true
    // When another transaction has stored a later end, `is_provisional` of that end stays.
    await tx.raw(
      `UPDATE artifact_end SET expires_at = greatest(expires_at, ?),
         is_provisional = CASE WHEN ended_at > ? THEN is_provisional ELSE ? END WHERE key = ?`,
      [until, endedAt, isProvisional, key],
    )
    return false
  }

  /**
   * Stores the end and removes a first batch of rows without waiting for locks. The other rows are
   * invalid already. Gives how many it removed, and whether the end is later than the stored one.
   */
  async function end(
    tx: Tx,
    ended: EndedItem,
    {
      preservedKey,
      isSwept = true,
      isProvisional = false,
    }: { preservedKey?: Buffer; isSwept?: boolean } & EndOptions = {},
  ) {
    const { key, kind, endedAt } = ended
    const isLater = await storeEnd(tx, key, endedAt, { isProvisional })
    const batch = { isFirst: true, ...(preservedKey && { preservedKey }) }
    const { count, isDone } = isSwept ? await removeRows(tx, ended, batch) : { count: 0, isDone: false }
    // An end covers the rows before its millisecond. A row that is left may have the same one, so
    // the end moves one millisecond later.
    const leftEndAt = kind === 'everything' ? endedAt : Math.min(endedAt + 1, permanentEnd)
    if (!isDone) await storeEnd(tx, key, leftEndAt, { isProvisional })
    await sweep.noteSweep(tx, { ...ended, endedAt: isDone ? endedAt : leftEndAt })
    if (!isDone || isProvisional) await onRowsLeft(tx, key)
    return { count, isLater }
  }

  async function isAlive(tx: Tx, where: string, bindings: readonly Knex.Bindable[]): Promise<boolean> {
    const { rows } = await tx.raw(`SELECT 1 FROM artifact a WHERE ${where} AND ${lives('a')} LIMIT 1`, bindings)
    return rows.length > 0
  }

  /**
   * Ends everything issued from the grant and, with `isGrantEnded`, the grant itself. Gives the
   * number of removed rows: at least 1 if something was valid, otherwise 0.
   */
  async function endFamily(tx: Tx, grantKey: Buffer, { isGrantEnded }: { isGrantEnded: boolean }): Promise<number> {
    const wasAlive = await isAlive(tx, '(a.id = ? OR a.grant_key = ?)', [grantKey, grantKey])
    const endedAt = isGrantEnded ? permanentEnd : now()
    const { count, isLater } = await end(tx, { key: grantKey, kind: 'grant', endedAt })
    return wasAlive && isLater ? Math.max(count, 1) : 0
  }

  async function endSessionByKey(tx: Tx, key: Buffer): Promise<number> {
    const wasAlive = (await isAlive(tx, 'a.uid = ?', [key])) || (await isAlive(tx, 'a.session_uid = ?', [key]))
    const { count } = await end(tx, { key, kind: 'session', endedAt: permanentEnd })
    return wasAlive ? Math.max(count, 1) : count
  }

  return {
    endFamily,

    /**
     * Ends every session, grant and token of the account, and interactions in which it has just
     * signed in. The session `sessionUid` stays valid, for a password change in it; its tokens end.
     * Gives how many rows were removed at once.
     */
    async endAccount(
      tx: Tx,
      accountId: string,
      { sessionUid, isProvisional = false }: { sessionUid?: string } & EndOptions = {},
    ): Promise<number> {
      const key = endKey('account', accountId)
      const preserved = sessionUid === undefined ? undefined : sessionKey(sessionUid)
      const ended: EndedItem = { key, kind: 'account', accountId: storableText(accountId), endedAt: now() }
      const { count } = await end(tx, ended, { ...(preserved && { preservedKey: preserved }), isProvisional })
      if (preserved) {
        // The preserved session counts as issued after the end, so that the end does not cover it.
        await tx.raw(
          'UPDATE artifact SET issued_at = e.ended_at + 1 FROM artifact_end e WHERE e.key = ? AND artifact.uid = ?',
          [key, preserved],
        )
      }
      return count
    },

    /**
     * Ends every grant, token and unfinished interaction of the client. Gives how many rows were
     * removed at once. JWTs from client credentials have no rows.
     */
    async endClient(tx: Tx, clientId: string, provisional: EndOptions = {}): Promise<number> {
      const key = endKey('client', clientId)
      const ended: EndedItem = { key, kind: 'client', clientId: storableText(clientId), endedAt: now() }
      return (await end(tx, ended, provisional)).count
    },

    /**
     * Ends every session of the account, except the one under `preservedKey`, and everything issued
     * in them. Gives how many sessions ended.
     */
    async endSessionsOf(tx: Tx, accountId: string, preservedKey?: Buffer): Promise<number> {
      const { rows } = await tx.raw(
        `SELECT DISTINCT uid FROM artifact a
         WHERE account_id = ? AND grant_key IS NULL AND model = ? AND uid IS DISTINCT FROM ? AND ${lives('a')} ORDER BY uid`,
        [storableText(accountId), models.Session.number, preservedKey ?? null],
      )
      const keys = (rows as { uid: Buffer | null }[]).flatMap(({ uid }) => (uid ? [uid] : []))
      for (const [index, key] of keys.entries()) {
        await end(tx, { key, kind: 'session', endedAt: permanentEnd }, { isSwept: index < sessionsAtOnce })
      }
      return keys.length
    },

    /**
     * Ends the browser session with that uid, and everything issued in it without offline access
     * (OpenID Connect Core 1.0 §11).
     */
    endSession: (tx: Tx, sessionUid: string): Promise<number> => endSessionByKey(tx, sessionKey(sessionUid)),
    endSessionByKey,

    /**
     * Ends the grant with the row `key` and everything issued from it. Gives how many rows were
     * removed.
     */
    endGrantByKey: (tx: Tx, key: Buffer): Promise<number> => endFamily(tx, key, { isGrantEnded: true }),

    /**
     * Ends every grant of the account to the client, and everything issued from them. Gives how
     * many rows were removed at once.
     */
    async endGrantsOf(tx: Tx, accountId: string, clientId: string, provisional: EndOptions = {}): Promise<number> {
      const owners = { accountId: storableText(accountId), clientId: storableText(clientId) }
      const key = consentKey(accountId, clientId)
      const { count } = await end(tx, { key, kind: 'consent', endedAt: now(), ...owners }, provisional)
      return count
    },

    /**
     * Ends the signing key permanently. Each verification of our JWTs asks Postgres for this end.
     */
    async endSigningKey(tx: Tx, kid: string): Promise<void> {
      await storeEnd(tx, endKey('signing_key', kid), permanentEnd, { until: permanentEnd })
    },

    /** Denies the token with this `jti` (RFC 7009 §2.1). */
    async denyToken(tx: Tx, jti: string): Promise<void> {
      await storeEnd(tx, endKey('token', jti), permanentEnd)
    },

    /**
     * Denies the token with the row or value `id`, which expires at `expiresAt` (milliseconds). It
     * applies to every copy of the token.
     */
    async denyArtifact(tx: Tx, id: Buffer, expiresAt = now() + longestInRedisMs): Promise<void> {
      await storeEnd(tx, id, permanentEnd, { until: expiresAt + denialRetentionMs })
    },

    /**
     * Ends everything issued up to `beforeMs` (milliseconds since the epoch, default now), except
     * replay protection.
     * Gives how many rows were removed at once.
     */
    async endAll(tx: Tx, beforeMs: number = now(), provisional: EndOptions = {}): Promise<number> {
      const ended: EndedItem = { key: endKey('everything', ''), kind: 'everything', endedAt: beforeMs }
      return (await end(tx, ended, provisional)).count
    },

    removeEnded: sweep.removeEnded,
    removeLeftovers: sweep.removeLeftovers,
  }
}
