/**
 * Fills rows from before the new names of the sealed columns. A migration of its own, so that no
 * table is locked meanwhile.
 */
import type { Migration } from './index.ts'

export const sealedColumnsFilled: Migration = {
  name: '0060_sealed_columns_filled',
  up: async (knex) => {
    await knex.raw(`
      UPDATE root_secret SET sealed_secret = sealed WHERE sealed_secret IS NULL;
      UPDATE logout_delivery SET sealed_event = sealed WHERE sealed_event IS NULL AND sealed IS NOT NULL;
    `)
  },
}
