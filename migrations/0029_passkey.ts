/** Passkeys: WebAuthn credentials, and used challenges. */
import type { Migration } from './index.ts'

export const passkey: Migration = {
  name: '0029_passkey',
  up: async (knex) => {
    await knex.raw(`
      CREATE TABLE passkey (
        id uuid PRIMARY KEY,
        account_id uuid NOT NULL REFERENCES account (id) ON DELETE CASCADE,
        credential_id bytea NOT NULL UNIQUE CHECK (octet_length(credential_id) BETWEEN 1 AND 1023),
        -- COSE; a public key opens nothing.
        public_key bytea NOT NULL,
        counter bigint NOT NULL CHECK (counter >= 0),
        transports text[] NOT NULL,
        name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
        created_at bigint NOT NULL,
        last_used_at bigint
      );
      CREATE INDEX passkey_account ON passkey (account_id);
      CREATE TABLE passkey_challenge_spent (
        digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
        expires_at bigint NOT NULL
      );
      CREATE INDEX passkey_challenge_spent_expires_at ON passkey_challenge_spent (expires_at);
    `)
  },
}
