/**
 * Logout tokens that are being delivered to relying parties: what an administrator can see, and
 * what is sent again.
 */
import type { Migration } from './index.ts'

export const logoutDelivery: Migration = {
  name: '0017_logout_delivery',
  up: async (knex) => {
    await knex.raw(`
      CREATE TABLE logout_delivery (
        id uuid PRIMARY KEY,
        client_id text NOT NULL REFERENCES client ON DELETE CASCADE,
        -- Whose logout it was, until it is delivered or given up for good.
        sealed bytea,
        state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'given_up')),
        attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
        last_failure text CHECK (char_length(last_failure) <= 100),
        created_at bigint NOT NULL,
        updated_at bigint NOT NULL,
        CHECK (state <> 'waiting' OR sealed IS NOT NULL)
      );
      CREATE INDEX logout_delivery_client ON logout_delivery (client_id);
      CREATE INDEX logout_delivery_updated ON logout_delivery (updated_at);
    `)
  },
}
