/**
 * Second factors: authenticator apps, recovery codes, the progress of a login, remembered browsers,
 * and the accounts that need a factor.
 */
import type { Migration } from './index.ts'

export const secondFactor: Migration = {
  name: '0028_second_factor',
  up: async (knex) => {
    await knex.raw(`
      ALTER TABLE account ADD COLUMN is_factor_required boolean NOT NULL DEFAULT false;
      CREATE TABLE totp (
        account_id uuid PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
        sealed_secret bytea NOT NULL,
        -- The time step of the last code that was accepted: it and those before it are spent (RFC 6238 §5.2).
        last_step bigint NOT NULL CHECK (last_step >= 0),
        created_at bigint NOT NULL,
        last_used_at bigint
      );
      CREATE TABLE recovery_code (
        account_id uuid NOT NULL REFERENCES account (id) ON DELETE CASCADE,
        -- SHA-256 of 120 random bits; the row goes when the code is used.
        digest bytea NOT NULL CHECK (octet_length(digest) = 32),
        created_at bigint NOT NULL,
        PRIMARY KEY (account_id, digest)
      );
      -- Wrong codes of one person, whatever the login: apart from wrong passwords.
      CREATE TABLE factor_guard (
        account_id uuid PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
        tries integer NOT NULL CHECK (tries >= 0),
        counted_from bigint NOT NULL
      );
      -- What has been proven in one interaction so far: nothing of it counts anywhere else.
      CREATE TABLE login_progress (
        -- SHA-256 of the interaction's id.
        interaction bytea PRIMARY KEY CHECK (octet_length(interaction) = 32),
        account_id uuid NOT NULL REFERENCES account (id) ON DELETE CASCADE,
        proven text[] NOT NULL,
        -- When the oldest of these was proven (milliseconds).
        proven_at bigint NOT NULL,
        tries integer NOT NULL DEFAULT 0 CHECK (tries >= 0),
        expires_at bigint NOT NULL
      );
      CREATE INDEX login_progress_account ON login_progress (account_id);
      CREATE INDEX login_progress_expires_at ON login_progress (expires_at);
      CREATE TABLE remembered_browser (
        account_id uuid NOT NULL REFERENCES account (id) ON DELETE CASCADE,
        -- SHA-256 of the cookie's value.
        digest bytea NOT NULL CHECK (octet_length(digest) = 32),
        created_at bigint NOT NULL,
        expires_at bigint NOT NULL CHECK (expires_at > created_at),
        PRIMARY KEY (account_id, digest)
      );
      CREATE INDEX remembered_browser_expires_at ON remembered_browser (expires_at);
    `)
  },
}
