/** The progress of the removal of ended rows, so that an interrupted pass continues there. */
import type { Migration } from './index.ts'

export const sweepCursor: Migration = {
  name: '0052_sweep_cursor',
  up: async (knex) => {
    await knex.raw(`
      ALTER TABLE artifact_sweep
        -- The last id that the pass under way has looked at; null between two passes.
        ADD COLUMN reached bytea,
        ADD COLUMN pass_began_at bigint;
    `)
  },
}
