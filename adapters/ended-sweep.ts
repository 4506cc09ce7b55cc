/**
 * `artifact_sweep` lists what has ended and may still have rows in `artifact`. Those rows are
 * removed after the commit, one batch per transaction.
 */
import type { createEndedRows, EndedItem, Tx } from './ended-rows.ts'
import { endedKinds } from './ended-rows.ts'

// A statement that began before an end may still write for a short time after it. The last pass
// removes those rows.
const settledMs = 60 * 1000

type Deps = {
  now: () => number
  removeRows: ReturnType<typeof createEndedRows>
  transaction: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>
}

type SweepRow = {
  kind: number
  account_id: string
  client_id: string
  ended_at: string
  noted_at: string
  reached: Buffer | null
  pass_began_at: string | null
}

/** A row of `artifact_sweep`. `reached`: the position of the pass that began at `beganAt`. */
type Sweep = Readonly<{ ended: EndedItem; notedAt: number; beganAt: number; reached: Buffer | undefined }>

const kindNames = Object.keys(endedKinds) as (keyof typeof endedKinds)[]

export function createEndedSweep({ now, removeRows, transaction }: Deps) {
  async function noteSweep(tx: Tx, { key, kind, accountId, clientId, endedAt }: EndedItem): Promise<void> {
    await tx.raw(
      `INSERT INTO artifact_sweep AS s (key, kind, account_id, client_id, ended_at, noted_at) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET ended_at = greatest(s.ended_at, excluded.ended_at), noted_at = excluded.noted_at,
         reached = NULL, pass_began_at = NULL`,
      [key, endedKinds[kind], accountId ?? null, clientId ?? null, endedAt, now()],
    )
  }

  async function findSweep(key: Buffer): Promise<Sweep | undefined> {
    return transaction(async (tx) => {
      const { rows } = await tx.raw(
        `SELECT kind, account_id, client_id, ended_at, noted_at, reached, pass_began_at FROM artifact_sweep WHERE key = ?`,
        [key],
      )
      const [row] = rows as SweepRow[]
      const kind = kindNames.find((name) => endedKinds[name] === row?.kind)
      if (!row || !kind) return undefined
      const { account_id: accountId, client_id: clientId } = row
      const ended: EndedItem = { key, kind, accountId, clientId, endedAt: Number(row.ended_at) }
      const notedAt = Number(row.noted_at)
      if (row.reached === null) return { ended, notedAt, beganAt: now(), reached: undefined }
      return { ended, notedAt, beganAt: Number(row.pass_began_at), reached: row.reached }
    })
  }

  /**
   * Saves the position in the transaction of the batch. A later end has another `noted_at` and
   * starts its own pass.
   */
  async function saveReached(tx: Tx, { ended, notedAt, beganAt }: Sweep, reached: Buffer | undefined): Promise<void> {
    await tx.raw('UPDATE artifact_sweep SET reached = ?, pass_began_at = ? WHERE key = ? AND noted_at = ?', [
      reached ?? null,
      reached ? beganAt : null,
      ended.key,
      notedAt,
    ])
  }

  /** Completes an end whose command terminated halfway: everything issued until now ends. */
  async function finishSweep(key: Buffer): Promise<void> {
    await transaction(async (tx) => {
      const { rows } = await tx.raw(
        `UPDATE artifact_end SET ended_at = greatest(ended_at, ?), is_provisional = false
         WHERE key = ? AND is_provisional RETURNING ended_at`,
        [now(), key],
      )
      const [settled] = rows as { ended_at: string }[]
      if (!settled) return
      await tx.raw(
        'UPDATE artifact_sweep SET ended_at = ?, noted_at = ?, reached = NULL, pass_began_at = NULL WHERE key = ?',
        [settled.ended_at, now(), key],
      )
    })
  }

  /**
   * Removes the rows of what ended under `key`, one batch per transaction. Gives whether all are
   * removed. After an interruption the next pass continues at the saved position.
   */
  async function removeEnded(key: Buffer, isStopped: () => boolean): Promise<boolean> {
    await finishSweep(key)
    const found = await findSweep(key)
    if (!found) return true
    const { ended, notedAt, beganAt } = found
    const isLast = notedAt <= beganAt - settledMs
    let after = found.reached
    for (;;) {
      const batch = after ? { after } : {}
      const removed = await transaction(async (tx) => {
        const done = await removeRows(tx, ended, batch)
        if (ended.kind === 'everything') await saveReached(tx, found, done.isDone ? undefined : done.after)
        return done
      })
      after = removed.after
      if (removed.isDone) break
      // Rows that a request has locked are left for the next pass.
      if (isStopped() || (removed.count === 0 && !after)) return false
    }
    if (isLast) {
      await transaction((tx) => tx.raw('DELETE FROM artifact_sweep WHERE key = ? AND noted_at = ?', [key, notedAt]))
    }
    return true
  }

  return {
    noteSweep,
    removeEnded,

    /**
     * Removes rows that a terminated process or a late request has left. The end of those rows is
     * at least a minute old.
     */
    async removeLeftovers(isStopped: () => boolean): Promise<void> {
      const keys = await transaction(async (tx) => {
        const { rows } = await tx.raw(
          'SELECT key FROM artifact_sweep WHERE noted_at <= ? ORDER BY noted_at LIMIT 10000',
          [now() - settledMs],
        )
        return (rows as { key: Buffer }[]).map(({ key }) => key)
      })
      for (const key of keys) {
        if (isStopped()) return
        await removeEnded(key, isStopped)
      }
    },
  }
}
