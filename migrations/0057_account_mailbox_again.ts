/**
 * Accounts whose mailbox another version has read differently: other case forms of letters, or
 * invisible characters.
 */
import type { Migration } from './index.ts'

export const accountMailboxAgain: Migration = {
  name: '0057_account_mailbox_again',
  up: async (knex) => {
    await knex.raw(String.raw`
      CREATE INDEX account_mailbox_again ON account (id) WHERE email_problem IS NULL AND coalesce(mailbox, email_key) ~
        '[\u00B5\u0345\u017F\u03C2\u03D0\u03D1\u03D5\u03D6\u03F0\u03F1\u03F5\u1C80-\u1C88\u1E9B\u034F\u115F\u1160\u17B4\u17B5\u180B-\u180F\u2800\u3164\uFE00-\uFE0F\uFFA0\uFFFC\uFFFD\U000E0000-\U000E0FFF].*@';
    `)
  },
}
