/** Ending what hangs from a grant, a session, a person, a client or a moment, inside the transaction of the change that asks for it. */
import type { Knex } from 'knex'
import { endKey, rowId, sessionKey } from './digest.ts'
import type { Models } from './model.ts'
import { storableText } from './postgres/binary-array.ts'

export type Tx = Knex.Transaction

// What Redis holds lives at most this long (longer-lived artifacts stay in Postgres), so an end is remembered a little longer.
export const longestInRedisMs = 24 * 60 * 60 * 1000
const endsAreKeptMs = longestInRedisMs + 60 * 60 * 1000

// A session's uid and a grant's id never come back, so whatever still names them is over, whenever it was issued.
const forEver = Number.MAX_SAFE_INTEGER

type Deps = { now: () => number; models: Models; hasRedis: boolean }

export type Ends = ReturnType<typeof createEnds>

export function createEnds({ now, models, hasRedis }: Deps) {
  async function deleted(tx: Tx, where: string, bindings: readonly unknown[]): Promise<number> {
    const { rowCount } = await tx.raw(`DELETE FROM artifact WHERE ${where}`, bindings as never)
    return rowCount ?? 0
  }

  /**
   * A request that is spending a row holds its lock while it writes the next ones. Deleting waits for it, but does not see what it
   * wrote: so again, with a new snapshot, until nothing is left. Gives how many rows went.
   */
  async function untilNothingIsLeft(once: () => Promise<number>): Promise<number> {
    let total = 0
    for (;;) {
      const count = await once()
      if (count === 0) return total
      total += count
    }
  }

  async function remember(tx: Tx, key: Buffer, endedAt: number): Promise<void> {
    if (!hasRedis) return
    await tx.raw(
      `INSERT INTO artifact_end AS e (key, ended_at, expires_at) VALUES (?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET ended_at = greatest(e.ended_at, excluded.ended_at), expires_at = excluded.expires_at`,
      [key, endedAt, now() + endsAreKeptMs] as never,
    )
  }

  /** Sessions before grants: a request in flight locks in that order. What hangs from a grant is found through it. */
  async function endOwnedBy(tx: Tx, column: 'account_id' | 'client_id', id: string): Promise<number> {
    const own = `${column} = ? AND grant_key IS NULL`
    const owner = storableText(id)
    // Also those of earlier turns: their rows are gone, and what a request in flight has hung from them meanwhile is found only so.
    const roots: Buffer[] = []
    return untilNothingIsLeft(async () => {
      const sessions = await deleted(tx, `${own} AND model = ?`, [owner, models.Session.number])
      const { rows } = await tx.raw(`DELETE FROM artifact WHERE ${own} RETURNING id`, [owner] as never)
      for (const row of rows as { id: Buffer }[]) roots.push(row.id)
      const hanging = roots.length === 0 ? 0 : await deleted(tx, 'grant_key = ANY(?)', [roots])
      return sessions + rows.length + hanging
    })
  }

  /** Ends the grant whose row is `grantKey` with everything issued from it, or only the latter: then the grant may issue anew. */
  async function endFamily(tx: Tx, grantKey: Buffer, { isGrantEnded }: { isGrantEnded: boolean }): Promise<number> {
    // One at a time for each family: two that delete the same rows in another order would block each other.
    await tx.raw('SELECT pg_advisory_xact_lock(?)', [grantKey.readBigInt64BE(0).toString()] as never)
    const count = await untilNothingIsLeft(async () => {
      const grant = isGrantEnded ? await deleted(tx, 'id = ?', [grantKey]) : 0
      return grant + (await deleted(tx, 'grant_key = ?', [grantKey]))
    })
    await remember(tx, grantKey, isGrantEnded ? forEver : now())
    return count
  }

  return {
    endFamily,

    /** Ends every session, grant and token of the account, and interactions in which it has just signed in. */
    async endAccount(tx: Tx, accountId: string): Promise<void> {
      await endOwnedBy(tx, 'account_id', accountId)
      await remember(tx, endKey('account', accountId), now())
    },

    /** Ends every grant and token of the client. */
    async endClient(tx: Tx, clientId: string): Promise<void> {
      await endOwnedBy(tx, 'client_id', clientId)
      await remember(tx, endKey('client', clientId), now())
    },

    /** Ends the browser session with that uid and everything issued in it without offline access (OpenID Connect Core 1.0 §11). */
    async endSession(tx: Tx, sessionUid: string): Promise<void> {
      const key = sessionKey(sessionUid)
      await untilNothingIsLeft(
        async () => (await deleted(tx, 'uid = ?', [key])) + (await deleted(tx, 'session_uid = ?', [key])),
      )
      await remember(tx, key, forEver)
    },

    /** Ends the grant and everything issued from it. */
    async endGrant(tx: Tx, grantId: string): Promise<void> {
      await endFamily(tx, rowId('Grant', grantId), { isGrantEnded: true })
    },

    /** What the key has signed counts no longer, for ever, and with or without Redis: whoever checks a JWT of ours asks Postgres. */
    async endSigningKey(tx: Tx, kid: string): Promise<void> {
      await tx.raw(
        `INSERT INTO artifact_end (key, ended_at, expires_at) VALUES (?, ?, ?)
         ON CONFLICT (key) DO UPDATE SET ended_at = excluded.ended_at, expires_at = excluded.expires_at`,
        [endKey('signing_key', kid), forEver, forEver] as never,
      )
    },

    /** Ends everything issued up to `beforeMs` (milliseconds since the epoch, default now). What must not be seen twice stays known. */
    async endAll(tx: Tx, beforeMs: number = now()): Promise<void> {
      await untilNothingIsLeft(() =>
        deleted(tx, 'issued_at <= ? AND model <> ?', [beforeMs, models.ReplayDetection.number]),
      )
      await remember(tx, endKey('everything', ''), beforeMs)
    },
  }
}
