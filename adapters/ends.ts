/** Ending what hangs from a grant, a session, a person, a client or a moment, inside the transaction of the change that asks for it. */
import type { Knex } from 'knex'
import { endKey, mapKey, sessionKey } from './digest.ts'
import type { Models, Payload } from './model.ts'
import { storableText } from './postgres/binary-array.ts'
import type { Seal } from './seal.ts'

export type Tx = Knex.Transaction

// What no row of Postgres stands for lives at most this long: values in Redis (longer-lived artifacts stay in Postgres) and JWTs (an hour).
// So an end is remembered a little longer.
export const longestInRedisMs = 24 * 60 * 60 * 1000
const denialsAreKeptMs = 60 * 60 * 1000
const endsAreKeptMs = longestInRedisMs + denialsAreKeptMs

// A session's uid and a grant's id never come back, so whatever still names them is over, whenever it was issued.
const forEver = Number.MAX_SAFE_INTEGER

/** A browser session that has ended: whose it was, and under which name each client knows it (`sid`). */
export type EndedSession = Readonly<{
  accountId: string | undefined
  clients: readonly { clientId: string; sid: string | undefined }[]
}>

type Deps = {
  now: () => number
  models: Models
  seal: Pick<Seal, 'open'>
  sidOf: (sessionUid: string, clientId: string) => string
  /** Told in the transaction that ends them, whoever asked for it. */
  onSessionsEnded: (tx: Tx, sessions: readonly EndedSession[]) => Promise<void> | void
}

export type Ends = ReturnType<typeof createEnds>

export function createEnds({ now, models, seal, sidOf, onSessionsEnded }: Deps) {
  /**
   * Whose session it was, with the clients of its rows. The payload names clients too: the program before there were rows reads and
   * writes them there alone, and its names (`sid`) stay.
   */
  function toEnded(text: string, clientIds: readonly string[]): EndedSession {
    const { accountId, uid = '', authorizations = {} } = JSON.parse(text) as Payload
    const ids = [...new Set([...Object.keys(authorizations), ...clientIds])]
    return {
      accountId: typeof accountId === 'string' ? accountId : undefined,
      clients: ids.map((clientId) => ({ clientId, sid: authorizations[clientId]?.sid ?? sidOf(uid, clientId) })),
    }
  }

  async function deleted(tx: Tx, where: string, bindings: readonly unknown[]): Promise<number> {
    const { rowCount } = await tx.raw(`DELETE FROM artifact WHERE ${where}`, bindings as never)
    return rowCount ?? 0
  }

  /** Deletes the client rows of sessions; gives the clients by session. */
  async function takenClients(tx: Tx, keys: readonly Buffer[]): Promise<Map<string, string[]>> {
    const clients = new Map<string, string[]>()
    if (keys.length === 0) return clients
    const { rows } = await tx.raw(
      'DELETE FROM session_client WHERE session_key = ANY(?) RETURNING session_key, client_id',
      [keys] as never,
    )
    for (const { session_key: key, client_id: clientId } of rows as { session_key: Buffer; client_id: string }[]) {
      const of = clients.get(mapKey(key)) ?? []
      clients.set(mapKey(key), [...of, clientId])
    }
    return clients
  }

  /** Deletes browser sessions, at most a thousand, and tells of them: for `untilNothingIsLeft`, which comes back for the rest. */
  async function deletedSessions(tx: Tx, where: string, bindings: readonly unknown[]): Promise<number> {
    const { rows } = await tx.raw(
      `DELETE FROM artifact WHERE id IN (SELECT id FROM artifact WHERE model = ? AND ${where} LIMIT 1000)
       RETURNING id, uid, payload`,
      [models.Session.number, ...bindings] as never,
    )
    const gone = rows as { id: Buffer; uid: Buffer | null; payload: Buffer }[]
    const clients = await takenClients(
      tx,
      gone.flatMap(({ uid }) => (uid ? [uid] : [])),
    )
    const ended = gone.flatMap(({ id, uid, payload }) => {
      const text = seal.open(payload, id)
      return text === undefined ? [] : [toEnded(text, (uid && clients.get(mapKey(uid))) ?? [])]
    })
    if (ended.length > 0) await onSessionsEnded(tx, ended)
    return rows.length
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

  async function remember(tx: Tx, key: Buffer, endedAt: number, until = now() + endsAreKeptMs): Promise<void> {
    await tx.raw(
      `INSERT INTO artifact_end AS e (key, ended_at, expires_at) VALUES (?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET ended_at = greatest(e.ended_at, excluded.ended_at),
         expires_at = greatest(e.expires_at, excluded.expires_at)`,
      [key, endedAt, until] as never,
    )
  }

  /** Sessions before grants: a request in flight locks in that order. What hangs from a grant is found through it. */
  async function endOwnedBy(tx: Tx, column: 'account_id' | 'client_id', id: string, keptUid?: string): Promise<number> {
    const isKept = keptUid === undefined ? '' : ' AND uid IS DISTINCT FROM ?'
    const own = `${column} = ? AND grant_key IS NULL${isKept}`
    const bound = [storableText(id), ...(keptUid === undefined ? [] : [sessionKey(keptUid)])]
    // Also those of earlier turns: their rows are gone, and what a request in flight has hung from them meanwhile is found only so.
    const roots: Buffer[] = []
    return untilNothingIsLeft(async () => {
      const sessions = await deletedSessions(tx, own, bound)
      const { rows } = await tx.raw(`DELETE FROM artifact WHERE ${own} RETURNING id`, bound as never)
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

  async function endSessionByKey(tx: Tx, key: Buffer): Promise<number> {
    const count = await untilNothingIsLeft(
      async () => (await deletedSessions(tx, 'uid = ?', [key])) + (await deleted(tx, 'session_uid = ?', [key])),
    )
    await remember(tx, key, forEver)
    return count
  }

  return {
    endFamily,

    /**
     * Ends every session, grant and token of the account, and interactions in which it has just signed in. The session `sessionUid` lives on,
     * for whoever changes a password in it; what was issued in it ends all the same. Gives how many rows went.
     */
    async endAccount(tx: Tx, accountId: string, { sessionUid }: { sessionUid?: string } = {}): Promise<number> {
      const count = await endOwnedBy(tx, 'account_id', accountId, sessionUid)
      await remember(tx, endKey('account', accountId), now())
      return count
    },

    /** Ends every grant and token of the client. Gives how many rows went; a JWT of a client that spoke for itself has none. */
    async endClient(tx: Tx, clientId: string): Promise<number> {
      const count = await endOwnedBy(tx, 'client_id', clientId)
      await remember(tx, endKey('client', clientId), now())
      return count
    },

    /** Ends every session of the account but the one under `keptKey`, with what was issued in them. Gives how many sessions went. */
    async endSessionsOf(tx: Tx, accountId: string, keptKey?: Buffer): Promise<number> {
      const { rows } = await tx.raw(
        'SELECT DISTINCT uid FROM artifact WHERE account_id = ? AND grant_key IS NULL AND model = ? AND uid IS DISTINCT FROM ? ORDER BY uid',
        [storableText(accountId), models.Session.number, keptKey ?? null] as never,
      )
      const keys = (rows as { uid: Buffer | null }[]).flatMap(({ uid }) => (uid ? [uid] : []))
      for (const key of keys) await endSessionByKey(tx, key)
      return keys.length
    },

    /** Ends the browser session with that uid and everything issued in it without offline access (OpenID Connect Core 1.0 §11). */
    endSession: (tx: Tx, sessionUid: string): Promise<number> => endSessionByKey(tx, sessionKey(sessionUid)),
    endSessionByKey,

    /** Ends the grant whose row is `key` and everything issued from it. Gives how many rows went. */
    endGrantByKey: (tx: Tx, key: Buffer): Promise<number> => endFamily(tx, key, { isGrantEnded: true }),

    /** Ends every grant that the account has given the client, and everything issued from them. Gives how many rows went. */
    async endGrantsOf(tx: Tx, accountId: string, clientId: string): Promise<number> {
      return untilNothingIsLeft(async () => {
        const { rows } = await tx.raw(
          'SELECT id FROM artifact WHERE account_id = ? AND client_id = ? AND grant_key IS NULL AND model = ? ORDER BY id',
          [storableText(accountId), storableText(clientId), models.Grant.number] as never,
        )
        let count = 0
        for (const { id } of rows as { id: Buffer }[]) count += await endFamily(tx, id, { isGrantEnded: true })
        return count
      })
    },

    /** What the key has signed counts no longer, for ever: whoever checks a JWT of ours asks Postgres. */
    async endSigningKey(tx: Tx, kid: string): Promise<void> {
      await remember(tx, endKey('signing_key', kid), forEver, forEver)
    },

    /** Denies the one token whose `jti` this is (RFC 7009 §2.1). */
    async denyToken(tx: Tx, jti: string): Promise<void> {
      await remember(tx, endKey('token', jti), forEver)
    },

    /** Denies the one token whose row or value is `id`, and which expires at `expiresAt` (milliseconds): wherever a copy of it turns up. */
    async denyArtifact(tx: Tx, id: Buffer, expiresAt = now() + longestInRedisMs): Promise<void> {
      await remember(tx, id, forEver, expiresAt + denialsAreKeptMs)
    },

    /**
     * Ends everything issued up to `beforeMs` (milliseconds since the epoch, default now). What must not be seen twice stays known. Gives how
     * many rows went.
     */
    async endAll(tx: Tx, beforeMs: number = now()): Promise<number> {
      const count = await untilNothingIsLeft(async () => {
        const sessions = await deletedSessions(tx, 'issued_at <= ?', [beforeMs])
        return (
          sessions + (await deleted(tx, 'issued_at <= ? AND model <> ?', [beforeMs, models.ReplayDetection.number]))
        )
      })
      await remember(tx, endKey('everything', ''), beforeMs)
      return count
    },
  }
}
