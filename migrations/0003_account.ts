/**
 * Accounts, one row each. Every rule of `src/accounts/` that concerns a single row is a constraint
 * here too.
 */
import type { Migration } from './index.ts'

export const account: Migration = {
  name: '0003_account',
  up: async (knex) => {
    await knex.raw(`
      CREATE TABLE account (
        id uuid PRIMARY KEY,
        email text NOT NULL CHECK (char_length(email) BETWEEN 3 AND 254),
        -- What lookups, counters and uniqueness use: trimmed, NFC, lower case. \`email\` is only shown.
        email_key text NOT NULL CONSTRAINT account_email_taken UNIQUE
          CHECK (char_length(email_key) BETWEEN 3 AND 254)
          CHECK (email_key ~ '^[^@[:space:][:cntrl:]]+@[^@[:space:][:cntrl:]]+$')
          CHECK (email_key !~ '[A-Z]')
          CHECK (email_key IS NFC NORMALIZED),
        is_email_verified boolean NOT NULL DEFAULT false,
        name text CHECK (char_length(name) BETWEEN 1 AND 200),
        given_name text CHECK (char_length(given_name) BETWEEN 1 AND 200),
        family_name text CHECK (char_length(family_name) BETWEEN 1 AND 200),
        middle_name text CHECK (char_length(middle_name) BETWEEN 1 AND 200),
        nickname text CHECK (char_length(nickname) BETWEEN 1 AND 200),
        preferred_username text CHECK (char_length(preferred_username) BETWEEN 1 AND 200),
        profile text CHECK (char_length(profile) <= 2000 AND profile ~ '^(http|https)://'),
        picture text CHECK (char_length(picture) <= 2000 AND picture ~ '^(http|https)://'),
        website text CHECK (char_length(website) <= 2000 AND website ~ '^(http|https)://'),
        gender text CHECK (char_length(gender) BETWEEN 1 AND 200),
        -- OpenID Connect Core 5.1: YYYY-MM-DD, 0000 for an unknown year, or the year alone.
        birthdate text CHECK (birthdate ~ '^[0-9]{4}(-[0-9]{2}-[0-9]{2}){0,1}$'),
        zoneinfo text CHECK (zoneinfo ~ '^[A-Za-z0-9_+/-]{1,64}$'),
        locale text CHECK (locale ~ '^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*$' AND char_length(locale) <= 35),
        phone_number text CHECK (phone_number ~ '^[+][1-9][0-9]{1,14}(;ext=[0-9]{1,10}){0,1}$'),
        is_phone_number_verified boolean NOT NULL DEFAULT false,
        address jsonb CHECK (jsonb_typeof(address) = 'object' AND address <> '{}'
          AND address - ARRAY['formatted','street_address','locality','region','postal_code','country'] = '{}'),
        roles text[] NOT NULL DEFAULT '{}'
          CHECK (cardinality(roles) <= 50 AND array_position(roles, NULL) IS NULL)
          CHECK (' ' || array_to_string(roles, ' ') ~ '^( [a-z][a-z0-9_.:-]{0,63})*$' OR cardinality(roles) = 0),
        -- A hash in the PHC string format, never a password.
        password_hash text CHECK (password_hash ~ '^[$][a-z0-9-]+[$]'),
        is_disabled boolean NOT NULL DEFAULT false,
        created_at bigint NOT NULL,
        updated_at bigint NOT NULL CHECK (updated_at >= created_at),
        CHECK (phone_number IS NOT NULL OR NOT is_phone_number_verified)
      );
      CREATE TRIGGER account_change AFTER INSERT OR UPDATE OR DELETE ON account
        FOR EACH ROW EXECUTE FUNCTION latchkey_notify_change('id');
    `)
  },
}
