/**
 * Ending what hangs from a grant, a session, a person, a client or a moment, inside the transaction of the change that asks for it.
 * docs/decisions/0104 and docs/decisions/0165
 */
import type { Knex } from 'knex'
import { consentKey, endKey, sessionKey } from './digest.ts'
import type { createEndedRows, EndedItem, Tx } from './ended-rows.ts'
import { createEndedSweep } from './ended-sweep.ts'
import type { Models } from './model.ts'
import { storableText } from './postgres/binary-array.ts'
import { lives, noExpiry } from './postgres/ended.ts'

export type { EndedSession, Tx } from './ended-rows.ts'

// What no row of Postgres stands for lives at most this long: values in Redis (longer-lived artifacts stay in Postgres) and JWTs (an hour).
// So an end is remembered a little longer, and as long as rows are left that it has ended.
export const longestInRedisMs = 24 * 60 * 60 * 1000
const denialRetentionMs = 60 * 60 * 1000
const endRetentionMs = longestInRedisMs + denialRetentionMs

// Sessions ended in one transaction whose rows it removes itself.
const sessionsAtOnce = 20

type Deps = {
  now: () => number
  models: Models
  removeRows: ReturnType<typeof createEndedRows>
  transaction: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>
  /** Told in the transaction that ends something of which rows are left: `removeEnded` takes the key after its commit. */
  onRowsLeft: (tx: Tx, key: Buffer) => Promise<void> | void
}

/** The moment is moved once the commit can be seen: by the same command, or, when that dies first, by the sweep. */
export type Provisional = { isProvisional?: boolean }

export type Ends = ReturnType<typeof createEnds>

export function createEnds({ now, models, removeRows, transaction, onRowsLeft }: Deps) {
  const sweep = createEndedSweep({ now, removeRows, transaction })

  /** Gives whether that is later than what was remembered. */
  async function remember(
    tx: Tx,
    key: Buffer,
    endedAt: number,
    { until = now() + endRetentionMs, isProvisional = false }: { until?: number } & Provisional = {},
  ): Promise<boolean> {
    const { rows } = await tx.raw(
      `INSERT INTO artifact_end AS e (key, ended_at, expires_at, is_provisional) VALUES (?, ?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET ended_at = excluded.ended_at, expires_at = greatest(e.expires_at, excluded.expires_at),
         is_provisional = excluded.is_provisional
       WHERE e.ended_at < excluded.ended_at RETURNING 1`,
      [key, endedAt, until, isProvisional],
    )
    if (rows.length > 0) return true
    // A later end of another transaction keeps its own mark.
    await tx.raw(
      `UPDATE artifact_end SET expires_at = greatest(expires_at, ?),
         is_provisional = CASE WHEN ended_at > ? THEN is_provisional ELSE ? END WHERE key = ?`,
      [until, endedAt, isProvisional, key],
    )
    return false
  }

  /**
   * The moment is what ends. Its transaction removes one batch of rows, without waiting for any of them; what is left is dead as well,
   * and removed after the commit. Gives how many rows went, and whether the end is a later one than was known.
   */
  async function end(
    tx: Tx,
    ended: EndedItem,
    {
      preservedKey,
      isSwept = true,
      isProvisional = false,
    }: { preservedKey?: Buffer; isSwept?: boolean } & Provisional = {},
  ) {
    const { key, kind, endedAt } = ended
    const isLater = await remember(tx, key, endedAt, { isProvisional })
    const batch = { isFirst: true, ...(preservedKey && { preservedKey }) }
    const { count, isDone } = isSwept ? await removeRows(tx, ended, batch) : { count: 0, isDone: false }
    // Rows of the very millisecond are left: they end too, with what is issued in the rest of it.
    const leftEndAt = kind === 'everything' ? endedAt : Math.min(endedAt + 1, noExpiry)
    if (!isDone) await remember(tx, key, leftEndAt, { isProvisional })
    await sweep.noteSweep(tx, { ...ended, endedAt: isDone ? endedAt : leftEndAt })
    if (!isDone || isProvisional) await onRowsLeft(tx, key)
    return { count, isLater }
  }

  async function isAlive(tx: Tx, where: string, bindings: readonly Knex.Bindable[]): Promise<boolean> {
    const { rows } = await tx.raw(`SELECT 1 FROM artifact a WHERE ${where} AND ${lives('a')} LIMIT 1`, bindings)
    return rows.length > 0
  }

  /**
   * Ends the grant whose row is `grantKey` with everything issued from it, or only the latter: then the grant may issue anew. Gives how
   * many rows went, and at least 1 to the one that ended something; 0 when nothing of it was alive.
   */
  async function endFamily(tx: Tx, grantKey: Buffer, { isGrantEnded }: { isGrantEnded: boolean }): Promise<number> {
    const wasAlive = await isAlive(tx, '(a.id = ? OR a.grant_key = ?)', [grantKey, grantKey])
    const endedAt = isGrantEnded ? noExpiry : now()
    const { count, isLater } = await end(tx, { key: grantKey, kind: 'grant', endedAt })
    return wasAlive && isLater ? Math.max(count, 1) : 0
  }

  async function endSessionByKey(tx: Tx, key: Buffer): Promise<number> {
    const wasAlive = (await isAlive(tx, 'a.uid = ?', [key])) || (await isAlive(tx, 'a.session_uid = ?', [key]))
    const { count } = await end(tx, { key, kind: 'session', endedAt: noExpiry })
    return wasAlive ? Math.max(count, 1) : count
  }

  return {
    endFamily,

    /**
     * Ends every session, grant and token of the account, and interactions in which it has just signed in. The session `sessionUid` lives on,
     * for whoever changes a password in it; what was issued in it ends all the same. Gives how many rows went at once.
     */
    async endAccount(
      tx: Tx,
      accountId: string,
      { sessionUid, isProvisional = false }: { sessionUid?: string } & Provisional = {},
    ): Promise<number> {
      const key = endKey('account', accountId)
      const preserved = sessionUid === undefined ? undefined : sessionKey(sessionUid)
      const ended: EndedItem = { key, kind: 'account', accountId: storableText(accountId), endedAt: now() }
      const { count } = await end(tx, ended, { ...(preserved && { preservedKey: preserved }), isProvisional })
      if (preserved) {
        // It is another session from now on: issued after the moment.
        await tx.raw(
          'UPDATE artifact SET issued_at = e.ended_at + 1 FROM artifact_end e WHERE e.key = ? AND artifact.uid = ?',
          [key, preserved],
        )
      }
      return count
    },

    /** Ends every grant and token of the client. Gives how many rows went at once; a JWT of a client that spoke for itself has none. */
    async endClient(tx: Tx, clientId: string, provisional: Provisional = {}): Promise<number> {
      const key = endKey('client', clientId)
      const ended: EndedItem = { key, kind: 'client', clientId: storableText(clientId), endedAt: now() }
      return (await end(tx, ended, provisional)).count
    },

    /** Ends every session of the account but the one under `preservedKey`, with what was issued in them. Gives how many sessions ended. */
    async endSessionsOf(tx: Tx, accountId: string, preservedKey?: Buffer): Promise<number> {
      const { rows } = await tx.raw(
        `SELECT DISTINCT uid FROM artifact a
         WHERE account_id = ? AND grant_key IS NULL AND model = ? AND uid IS DISTINCT FROM ? AND ${lives('a')} ORDER BY uid`,
        [storableText(accountId), models.Session.number, preservedKey ?? null],
      )
      const keys = (rows as { uid: Buffer | null }[]).flatMap(({ uid }) => (uid ? [uid] : []))
      for (const [index, key] of keys.entries()) {
        await end(tx, { key, kind: 'session', endedAt: noExpiry }, { isSwept: index < sessionsAtOnce })
      }
      return keys.length
    },

    /** Ends the browser session with that uid and everything issued in it without offline access (OpenID Connect Core 1.0 §11). */
    endSession: (tx: Tx, sessionUid: string): Promise<number> => endSessionByKey(tx, sessionKey(sessionUid)),
    endSessionByKey,

    /** Ends the grant whose row is `key` and everything issued from it. Gives how many rows went. */
    endGrantByKey: (tx: Tx, key: Buffer): Promise<number> => endFamily(tx, key, { isGrantEnded: true }),

    /** Ends every grant that the account has given the client, and everything issued from them. Gives how many rows went at once. */
    async endGrantsOf(tx: Tx, accountId: string, clientId: string, provisional: Provisional = {}): Promise<number> {
      const owners = { accountId: storableText(accountId), clientId: storableText(clientId) }
      const key = consentKey(accountId, clientId)
      const { count } = await end(tx, { key, kind: 'consent', endedAt: now(), ...owners }, provisional)
      return count
    },

    /** What the key has signed counts no longer, for ever: whoever checks a JWT of ours asks Postgres. */
    async endSigningKey(tx: Tx, kid: string): Promise<void> {
      await remember(tx, endKey('signing_key', kid), noExpiry, { until: noExpiry })
    },

    /** Denies the one token whose `jti` this is (RFC 7009 §2.1). */
    async denyToken(tx: Tx, jti: string): Promise<void> {
      await remember(tx, endKey('token', jti), noExpiry)
    },

    /** Denies the one token whose row or value is `id`, and which expires at `expiresAt` (milliseconds): wherever a copy of it turns up. */
    async denyArtifact(tx: Tx, id: Buffer, expiresAt = now() + longestInRedisMs): Promise<void> {
      await remember(tx, id, noExpiry, { until: expiresAt + denialRetentionMs })
    },

    /**
     * Ends everything issued up to `beforeMs` (milliseconds since the epoch, default now). What must not be seen twice stays known. Gives how
     * many rows went at once.
     */
    async endAll(tx: Tx, beforeMs: number = now(), provisional: Provisional = {}): Promise<number> {
      const ended: EndedItem = { key: endKey('everything', ''), kind: 'everything', endedAt: beforeMs }
      return (await end(tx, ended, provisional)).count
    },

    removeEnded: sweep.removeEnded,
    removeLeftovers: sweep.removeLeftovers,
  }
}
