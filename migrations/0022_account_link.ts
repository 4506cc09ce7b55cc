/**
 * Links in emails: one valid link for each account and purpose, for one address, stored only as its
 * digest.
 */
import type { Migration } from './index.ts'

export const accountLink: Migration = {
  name: '0022_account_link',
  up: async (knex) => {
    await knex.raw(`
      CREATE TABLE account_link (
        account_id uuid NOT NULL REFERENCES account (id) ON DELETE CASCADE,
        purpose text NOT NULL CHECK (purpose IN ('verify', 'recover', 'change_email', 'invite', 'notice')),
        -- SHA-256 of purpose and token; null once the link is spent or ended. The row stays, because it counts.
        digest bytea UNIQUE CHECK (octet_length(digest) = 32),
        -- The address that the link was sent to, and proves.
        email text NOT NULL CHECK (char_length(email) BETWEEN 3 AND 254),
        created_at bigint NOT NULL,
        expires_at bigint NOT NULL CHECK (expires_at > created_at),
        -- How many were created since when: a limit for each mailbox.
        counted_from bigint NOT NULL,
        count integer NOT NULL CHECK (count > 0),
        -- Passwords that were tried on the page of this link.
        tries integer NOT NULL DEFAULT 0 CHECK (tries >= 0),
        PRIMARY KEY (account_id, purpose)
      );
      CREATE INDEX account_link_expires_at ON account_link (expires_at);
    `)
  },
}
