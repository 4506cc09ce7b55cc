/** Rows of `session_detail`: the details of browser sessions on the account page. */
import type { Queryable } from '../database/database.ts'

export type SessionDetail = Readonly<{
  key: Buffer
  userAgent: string
  ip: string | undefined
  lastSeenAt: number
}>

type SessionUse = { key: Buffer; accountId: string; userAgent: string; ip: string | undefined; at: number }

/** Saves the current browser and network of a session, in place of earlier ones. */
export async function putDetail(db: Queryable, { key, accountId, userAgent, ip, at }: SessionUse): Promise<void> {
  // An account that was just deleted gets no row.
  await db.raw(
    `INSERT INTO session_detail (session_key, account_id, user_agent, address, created_at, last_seen_at)
     SELECT :key, id, :userAgent, :address, :at, :at FROM account WHERE id = :accountId
     ON CONFLICT (session_key) DO UPDATE SET account_id = excluded.account_id, user_agent = excluded.user_agent,
       address = excluded.address, last_seen_at = excluded.last_seen_at`,
    { key, accountId, userAgent, address: ip ?? null, at },
  )
}

export async function listDetails(db: Queryable, accountId: string): Promise<SessionDetail[]> {
  const rows = await db('session_detail')
    .where({ account_id: accountId })
    .select('session_key', 'user_agent', 'address', 'last_seen_at')
  return rows.map((row) => ({
    key: row.session_key,
    userAgent: row.user_agent,
    ip: row.address ?? undefined,
    lastSeenAt: Number(row.last_seen_at),
  }))
}

/**
 * Removes details of sessions that have ended: their artifact row no longer exists. Gives how many,
 * at most `limit`.
 */
export async function sweepDetails(db: Queryable, seenBefore: number, limit: number): Promise<number> {
  const { rowCount } = await db.raw(
    `DELETE FROM session_detail WHERE session_key IN (
       SELECT session_key FROM session_detail AS d WHERE last_seen_at < ?
         AND NOT EXISTS (SELECT 1 FROM artifact WHERE uid = d.session_key) ORDER BY last_seen_at LIMIT ?)`,
    [seenBefore, limit],
  )
  return rowCount ?? 0
}
