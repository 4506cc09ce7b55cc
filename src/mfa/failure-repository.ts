/** Rows of `factor_failure`: wrong codes in a row, for each account and method. */
import type { Queryable, Tx } from '../database/database.ts'
import type { MethodId } from './methods/index.ts'

/**
 * Counts an answer before it is checked, in one statement, so that concurrent answers all count.
 * Returns the count, or undefined when `most` were wrong.
 */
export async function countFailure(db: Queryable, accountId: string, method: MethodId, most: number) {
  const { rows } = await db.raw(
    `INSERT INTO factor_failure AS f (account_id, method, failures) VALUES (:accountId, :method, 1)
     ON CONFLICT (account_id, method) DO UPDATE SET failures = f.failures + 1 WHERE f.failures < :most
     RETURNING failures`,
    { accountId, method, most },
  )
  return rows[0] === undefined ? undefined : Number(rows[0].failures)
}

/** Returns whether the user must be notified now: once for each series of failures. */
export async function markNotified(
  tx: Tx,
  accountId: string,
  method: MethodId,
  { from, at }: { from: number; at: number },
) {
  const marked = await tx('factor_failure')
    .where({ account_id: accountId, method })
    .where('failures', '>=', from)
    .whereNull('told_at')
    .update({ told_at: at })
  return marked === 1
}

/** Returns whether a row was deleted. */
export async function deleteFailures(db: Queryable, accountId: string, method: MethodId): Promise<boolean> {
  return (await db('factor_failure').where({ account_id: accountId, method }).delete()) === 1
}

export async function deleteAllFailures(tx: Tx, accountId: string): Promise<void> {
  await tx('factor_failure').where({ account_id: accountId }).delete()
}

/** Methods with at least `most` failures. */
export async function listDisabled(db: Queryable, accountId: string, most: number): Promise<MethodId[]> {
  const rows = await db('factor_failure')
    .where({ account_id: accountId })
    .where('failures', '>=', most)
    .select('method')
  return rows.map(({ method }) => method)
}
