/** The page of `artifact` at which the sweep of used refresh tokens continues. */
import type { Migration } from './index.ts'

export const spentSweep: Migration = {
  name: '0053_spent_sweep',
  up: async (knex) => {
    await knex.raw(`
      CREATE TABLE spent_sweep (
        is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
        next_page bigint NOT NULL
      );
      INSERT INTO spent_sweep (next_page) VALUES (0);
    `)
  },
}
