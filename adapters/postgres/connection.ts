/**
 * Statements on the pool: named, so that each connection parses and plans them once, and planned
 * for a large table.
 */
import type { Pool, PoolClient } from 'pg'
import { ArtifactStoreUnavailable, isPostgresConflict, isPostgresUnavailable } from '../errors.ts'

export type Statement = { name: string; text: string }
export type Cell = string | number | boolean | Buffer | null
export type Postgres = {
  /** Gives rows as arrays. Throws ArtifactStoreUnavailable when Postgres is unavailable. */
  query: (statement: Statement, values: readonly (Cell | undefined)[]) => Promise<Cell[][]>
}

// A connection plans a statement once. On an almost empty database it would choose a full scan, and
// keep it when the table has grown. Every statement here has an index, so other plans are disabled.
const planning =
  'SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET plan_cache_mode = force_generic_plan'

const attempts = 3

/**
 * `isPooled`: connections pass through a pooler. Settings would affect other clients' transactions
 * there, and are not needed: unnamed statements are planned at each execution.
 */
export function createPostgres(pool: Pool, { isPooled = false }: { isPooled?: boolean | undefined } = {}): Postgres {
  const prepared = new WeakSet<PoolClient>()

  async function once({ name, text }: Statement, values: readonly unknown[]): Promise<Cell[][]> {
    const client = await pool.connect()
    let failure: unknown
    try {
      if (!isPooled && !prepared.has(client)) {
        await client.query(planning)
        prepared.add(client)
      }
      const { rows } = await client.query<Cell[]>({ name, text, values: values as unknown[], rowMode: 'array' })
      return rows
    } catch (error) {
      failure = error
      throw error
    } finally {
      // A broken connection, or one whose statement may still be running, is not reused.
      client.release(failure !== undefined && isPostgresUnavailable(failure))
    }
  }

  return {
    async query(statement, values) {
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await once(statement, values)
        } catch (error) {
          if (isPostgresUnavailable(error)) throw new ArtifactStoreUnavailable(error)
          if (!isPostgresConflict(error) || attempt === attempts) throw error
        }
      }
    },
  }
}
