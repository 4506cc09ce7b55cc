/**
 * The stores that each server process uses: processes that disagree are not ready. Unlogged,
 * because a row matters for seconds only.
 */
import type { Migration } from './index.ts'

export const storeSetUp: Migration = {
  name: '0039_store_set_up',
  up: async (knex) => {
    await knex.raw(`
      CREATE UNLOGGED TABLE store_set_up (
        process text PRIMARY KEY,
        stores text NOT NULL,
        seen_at bigint NOT NULL
      )
    `)
  },
}
