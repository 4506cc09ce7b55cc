/**
 * Tries of a network that are in progress, separate from those that failed: simultaneous sign-ins
 * are not failures.
 */
import type { Migration } from './index.ts'

export const guessPending: Migration = {
  name: '0056_guess_pending',
  up: async (knex) => {
    await knex.raw(`
      -- The version before counts its own tries as failures until they end, and leaves this at 0.
      ALTER TABLE guess_address ADD COLUMN pending integer NOT NULL DEFAULT 0 CHECK (pending >= 0);
    `)
  },
}
