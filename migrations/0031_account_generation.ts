/**
 * The generation of an account, which a reset of its credentials raises. An operation that began
 * before the reset carries the old generation.
 */
import type { Migration } from './index.ts'

export const accountGeneration: Migration = {
  name: '0031_account_generation',
  up: async (knex) => {
    // Rows of earlier versions have generation 0.
    await knex.raw(`
      ALTER TABLE account ADD COLUMN generation integer NOT NULL DEFAULT 0 CHECK (generation >= 0);
      ALTER TABLE account_link ADD COLUMN generation integer NOT NULL DEFAULT 0;
      ALTER TABLE login_progress ADD COLUMN generation integer NOT NULL DEFAULT 0;
      ALTER TABLE remembered_browser ADD COLUMN generation integer NOT NULL DEFAULT 0;
      ALTER TABLE known_browser ADD COLUMN generation integer NOT NULL DEFAULT 0;
      -- Of browser sessions with a signed-in account, and 0 in every other row.
      ALTER TABLE artifact ADD COLUMN generation integer NOT NULL DEFAULT 0;
    `)
  },
}
