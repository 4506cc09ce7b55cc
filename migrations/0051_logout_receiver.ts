/**
 * When a slow or silent relying party is next sent logouts. All processes share this time.
 */
import type { Migration } from './index.ts'

export const logoutReceiver: Migration = {
  name: '0051_logout_receiver',
  up: async (knex) => {
    await knex.raw(`
      -- A row only for a client whose last answer was late or did not come.
      CREATE TABLE logout_receiver (
        client_id text PRIMARY KEY REFERENCES client ON DELETE CASCADE,
        -- Attempts in a row that got no answer.
        failures integer NOT NULL CHECK (failures >= 0),
        -- No attempt begins before.
        next_at bigint NOT NULL
      );
      ALTER TABLE logout_delivery
        -- Not attempted before; 0 in rows of the version before, which are due.
        ADD COLUMN next_at bigint NOT NULL DEFAULT 0,
        ADD COLUMN retried_at bigint;
      CREATE INDEX logout_delivery_waiting ON logout_delivery (client_id, next_at, created_at) WHERE state = 'waiting';
    `)
  },
}
