/**
 * Lists the costs of stored hashes, with one step in the index `account_password_cost` for each.
 */
import type { Queryable } from '../database/database.ts'

/** `beginning` is the hash before its salt. `resultLength` is the length of its last part. */
export type PasswordCost = Readonly<{ beginning: string; resultLength: number }>

/** More than an installation has. Every process measures each once. */
const maxCosts = 64

const beginning = "substring(password_hash from '^([$]2[aby][$][0-9]{2}|[$][a-z0-9-]+([$]v=[0-9]+){0,1}[$][^$]*)')"
const resultLength = "length(substring(password_hash from '[^$]*$'))"

export async function listPasswordCosts(db: Queryable): Promise<PasswordCost[]> {
  const { rows } = await db.raw<{ rows: { beginning: string; result_length: number }[] }>(
    `WITH RECURSIVE costs AS (
      (SELECT ${beginning} AS beginning, ${resultLength} AS result_length
       FROM account WHERE ${beginning} IS NOT NULL ORDER BY 1, 2 LIMIT 1)
      UNION ALL
      SELECT next.beginning, next.result_length FROM costs, LATERAL (
        SELECT ${beginning} AS beginning, ${resultLength} AS result_length
        FROM account
        WHERE (${beginning}, ${resultLength}) > (costs.beginning, costs.result_length)
        ORDER BY 1, 2 LIMIT 1
      ) next
    )
    SELECT beginning, result_length FROM costs LIMIT ${maxCosts}`,
  )
  return rows.map((row) => ({ beginning: row.beginning, resultLength: row.result_length }))
}
