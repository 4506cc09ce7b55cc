/** The sessions that the account page shows, and accounts whose users have requested deletion. */
import type { Migration } from './index.ts'

export const accountPage: Migration = {
  name: '0030_account_page',
  up: async (knex) => {
    await knex.raw(`
      -- When the account goes; null unless its person has asked for it.
      ALTER TABLE account ADD COLUMN delete_at bigint;
      CREATE INDEX account_delete_at ON account (delete_at) WHERE delete_at IS NOT NULL;
      CREATE TABLE session_detail (
        -- The digest under which the session's row is stored.
        session_key bytea PRIMARY KEY CHECK (octet_length(session_key) = 32),
        account_id uuid NOT NULL REFERENCES account (id) ON DELETE CASCADE,
        user_agent text NOT NULL CHECK (char_length(user_agent) <= 400),
        address text CHECK (char_length(address) <= 64),
        created_at bigint NOT NULL,
        last_seen_at bigint NOT NULL
      );
      CREATE INDEX session_detail_account ON session_detail (account_id);
      CREATE INDEX session_detail_last_seen_at ON session_detail (last_seen_at);
    `)
  },
}
