/**
 * A new id for the same browser session, in the transaction that ends the other sessions (OWASP
 * ASVS 7.2.4).
 */
import { rowId, sessionKey } from './digest.ts'
import type { Models, Payload } from './model.ts'
import { lives } from './postgres/ended.ts'
import type { Tx } from './revocations.ts'
import type { Seal } from './seal.ts'

type Deps = { models: Models; seal: Seal }

/** `id` is the id with which the request loaded the session. */
type LoadedRow = Readonly<{ uid: string; id: string }>
type Renaming = Readonly<{ accountId: string; generation: number; id: string }>

/** Whether the session is active, with any id. */
export async function hasSession(tx: Tx, uid: string): Promise<boolean> {
  const { rows } = await tx.raw(`SELECT 1 FROM artifact a WHERE uid = ? AND ${lives('a')} LIMIT 1`, [sessionKey(uid)])
  return rows.length > 0
}

export const createSessionRenaming =
  ({ models, seal }: Deps) =>
  /**
   * Replaces the session's row by one with the new id, in the account's new generation: requests
   * that loaded the old row write nothing more.
   * Gives the new id and its expiry (milliseconds); undefined when the row no longer exists or
   * belongs to another account.
   */
  async (tx: Tx, { uid, id: oldId }: LoadedRow, { accountId, generation, id }: Renaming) => {
    const old = rowId('Session', oldId)
    const { rows } = await tx.raw(
      `SELECT payload, issued_at, expires_at FROM artifact a
       WHERE id = ? AND uid = ? AND account_id = ? AND model = ? AND ${lives('a')} FOR UPDATE OF a`,
      [old, sessionKey(uid), accountId, models.Session.number],
    )
    const [row] = rows as { payload: Buffer; issued_at: number; expires_at: number | null }[]
    const text = row && seal.open(row.payload, old)
    if (!row || text === undefined || row.expires_at === null) return undefined
    const renamed = rowId('Session', id)
    const payload: Payload = { ...(JSON.parse(text) as Payload), jti: id }
    await tx.raw(
      `WITH old AS (DELETE FROM artifact WHERE id = ?)
       INSERT INTO artifact (id, model, uid, account_id, issued_at, payload, expires_at, generation)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      [
        old,
        renamed,
        models.Session.number,
        sessionKey(uid),
        accountId,
        row.issued_at,
        seal.seal(JSON.stringify(payload), renamed),
        row.expires_at,
        generation,
      ],
    )
    return { id, expiresAt: Number(row.expires_at) }
  }
