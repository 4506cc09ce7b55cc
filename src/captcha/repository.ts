/** Rows of `captcha_spent`. */
import type { Queryable } from '../database/database.ts'

/** Of concurrent calls, only one returns true. */
export async function spend(db: Queryable, digest: Buffer, expiresAt: number): Promise<boolean> {
  const rows = await db('captcha_spent')
    .insert({ digest, expires_at: expiresAt })
    .onConflict('digest')
    .ignore()
    .returning('digest')
  return rows.length === 1
}

export async function sweep(db: Queryable, now: number, limit: number): Promise<number> {
  const { rowCount } = await db.raw(
    'DELETE FROM captcha_spent WHERE digest IN (SELECT digest FROM captcha_spent WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)',
    [now, limit],
  )
  return rowCount ?? 0
}
