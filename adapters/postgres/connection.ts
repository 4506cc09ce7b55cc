/** Statements on the pool: named, so that each connection parses and plans them once, and planned for a table that will be large. */
import type { Pool, PoolClient } from 'pg'
import { ArtifactStoreUnavailable, isPostgresConflict, isPostgresUnavailable } from '../errors.ts'

export type Statement = { name: string; text: string }
export type Cell = string | number | boolean | Buffer | null
export type Postgres = {
  /** Rows as arrays. Throws ArtifactStoreUnavailable when Postgres is away. */
  query: (statement: Statement, values: readonly (Cell | undefined)[]) => Promise<Cell[][]>
}

// A plan is made once for the life of a connection. On a fresh database, with a handful of rows, it would be "read the whole table", and stay
// so while the table grows to millions. Every statement here goes by an index, so the planner is told to.
const planning =
  'SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET plan_cache_mode = force_generic_plan'

const attempts = 3

/**
 * `isPooled`: a pooler stands between. A setting would stay with a connection that the next transaction of somebody else gets, and
 * is not needed: statements are unnamed there, and an unnamed one is planned each time, for the table as it is.
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
      // A connection that broke, or whose statement may still be running, is not lent out again.
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
