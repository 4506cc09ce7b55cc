/**
 * The clients that a browser session has signed in to: one row each, so that simultaneous requests
 * do not overwrite each other.
 */
import type { Migration } from './index.ts'

export const sessionClient: Migration = {
  name: '0032_session_client',
  up: async (knex) => {
    await knex.raw(`
      CREATE TABLE session_client (
        -- Digest of the session's uid, as in artifact.uid.
        session_key bytea NOT NULL CHECK (octet_length(session_key) = 32),
        client_id text NOT NULL,
        -- The row of the grant in artifact.
        grant_key bytea NOT NULL CHECK (octet_length(grant_key) = 32),
        noted_at bigint NOT NULL,
        PRIMARY KEY (session_key, client_id, grant_key)
      );
      CREATE INDEX session_client_noted_at ON session_client (noted_at);
    `)
  },
}
