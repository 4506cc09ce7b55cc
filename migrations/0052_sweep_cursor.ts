/** How far the removal of ended rows has come, so that a pass which is interrupted goes on there. */
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
