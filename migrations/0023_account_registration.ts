/**
 * Accounts from self-registration: the browser that registered, until the address is verified; and
 * the form of an address that email can be sent to.
 */
import type { Migration } from './index.ts'

export const accountRegistration: Migration = {
  name: '0023_account_registration',
  up: async (knex) => {
    await knex.raw(`
      ALTER TABLE account ADD COLUMN registered_browser bytea CHECK (octet_length(registered_browser) = 32);
      -- Excludes several addresses, and text that adds a header to an email. NOT VALID: checks only rows written from now on.
      ALTER TABLE account ADD CONSTRAINT account_email_mailable CHECK (email_key !~ '[][<>(),;:"\\\\]') NOT VALID;
      ALTER TABLE account ADD CONSTRAINT account_email_local CHECK (char_length(split_part(email_key, '@', 1)) <= 64) NOT VALID;
      ALTER TABLE account ADD CONSTRAINT account_names_plain CHECK (concat_ws(' ', name, given_name, family_name, middle_name,
        nickname, preferred_username, gender) !~ '[[:cntrl:]\\u202A-\\u202E\\u2066-\\u2069]') NOT VALID;
    `)
  },
}
