/**
 * An end whose time is set again once its commit is visible. If the command crashes in between, the
 * mark remains.
 */
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
