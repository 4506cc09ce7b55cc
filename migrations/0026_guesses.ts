/**
 * Password guessing: failed tries, browsers that have signed in before, and used proofs of work.
 */
import type { Migration } from './index.ts'

export const loginThrottle: Migration = {
  name: '0026_guesses',
  up: async (knex) => {
    await knex.raw(`
      CREATE TABLE guess_count (
        -- HMAC of the identifier that was typed, whether or not it exists, or of a browser and an identifier.
        key bytea PRIMARY KEY CHECK (octet_length(key) = 32),
        -- Within the window, those under way included.
        tries integer NOT NULL CHECK (tries >= 0),
        window_from bigint NOT NULL,
        -- Since the last success or reset.
        total integer NOT NULL CHECK (total >= 0),
        locks integer NOT NULL CHECK (locks >= 0),
        locked_until bigint,
        seen_at bigint NOT NULL
      ) WITH (fillfactor = 80);
      CREATE INDEX guess_count_seen_at ON guess_count (seen_at);
      CREATE TABLE guess_address (
        -- HMAC of a network prefix.
        key bytea PRIMARY KEY CHECK (octet_length(key) = 32),
        quarter_tries integer NOT NULL CHECK (quarter_tries >= 0),
        quarter_from bigint NOT NULL,
        hour_tries integer NOT NULL CHECK (hour_tries >= 0),
        hour_from bigint NOT NULL
      ) WITH (fillfactor = 80);
      CREATE INDEX guess_address_hour_from ON guess_address (hour_from);
      CREATE TABLE known_browser (
        -- HMAC of the browser's token and the identifier that has signed in there.
        key bytea PRIMARY KEY CHECK (octet_length(key) = 32),
        account_id uuid NOT NULL REFERENCES account (id) ON DELETE CASCADE,
        seen_at bigint NOT NULL
      );
      CREATE INDEX known_browser_account ON known_browser (account_id);
      CREATE INDEX known_browser_seen_at ON known_browser (seen_at);
      CREATE TABLE captcha_spent (
        -- SHA-256 of the challenge's nonce.
        digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
        expires_at bigint NOT NULL
      );
      CREATE INDEX captcha_spent_expires_at ON captcha_spent (expires_at);
    `)
  },
}
