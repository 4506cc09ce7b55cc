/** An end whose moment is to be moved once its commit can be seen, so that a command that dies in between leaves a mark. */
import type { Migration } from './index.ts'

export const provisionalEnd: Migration = {
  name: '0058_provisional_end',
  up: async (knex) => {
    await knex.raw(`
      -- The version before moves its moments itself, and leaves this at false.
      ALTER TABLE artifact_end ADD COLUMN is_provisional boolean NOT NULL DEFAULT false;
    `)
  },
}
