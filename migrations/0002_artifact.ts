/**
 * The engine's artifacts: codes, tokens, grants, sessions. Every id is a digest and every payload
 * is sealed.
 */
import type { Migration } from './index.ts'

export const artifact: Migration = {
  name: '0002_artifact',
  async up(knex) {
    await knex.raw(`
      CREATE TABLE artifact (
        id bytea PRIMARY KEY,
        model smallint NOT NULL,
        grant_key bytea,
        uid bytea,
        user_code bytea,
        account_id text,
        client_id text,
        session_uid bytea,
        issued_at bigint NOT NULL,
        payload bytea NOT NULL,
        consumed_at bigint,
        successor bytea,
        expires_at bigint
      ) WITH (fillfactor = 90);
      -- Sealed bytes do not compress: do not try.
      ALTER TABLE artifact ALTER COLUMN payload SET STORAGE EXTERNAL;
      CREATE INDEX artifact_grant_key ON artifact (grant_key) WHERE grant_key IS NOT NULL;
      CREATE INDEX artifact_session_uid ON artifact (session_uid) WHERE session_uid IS NOT NULL;
      CREATE INDEX artifact_uid ON artifact (uid) WHERE uid IS NOT NULL;
      CREATE INDEX artifact_user_code ON artifact (user_code) WHERE user_code IS NOT NULL;
      -- What hangs from a grant is found through the grant, so that a token pays for neither of these two.
      CREATE INDEX artifact_account_id ON artifact (account_id) WHERE grant_key IS NULL AND account_id IS NOT NULL;
      CREATE INDEX artifact_client_id ON artifact (client_id) WHERE grant_key IS NULL AND client_id IS NOT NULL;
      -- Not BRIN: lifetimes of a minute and of three months lie on the same page, so that every range would match a sweep.
      CREATE INDEX artifact_expires_at ON artifact (expires_at);

      -- When everything that belongs to a client, a session, an account or a grant ended, for tokens stored in Redis.
      CREATE TABLE artifact_end (
        key bytea PRIMARY KEY,
        ended_at bigint NOT NULL,
        expires_at bigint NOT NULL
      );
      CREATE INDEX artifact_end_expires_at ON artifact_end (expires_at);
    `)
  },
}
