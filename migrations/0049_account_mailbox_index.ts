/**
 * One account for each mailbox. A migration of its own: the index is built without the lock of
 * adding a column.
 */
import type { Migration } from './index.ts'

export const accountMailboxIndex: Migration = {
  name: '0049_account_mailbox_index',
  up: async (knex) => {
    await knex.raw(`
      CREATE UNIQUE INDEX account_mailbox_taken ON account (coalesce(mailbox, email_key)) WHERE email_problem IS NULL;
      -- Rows whose mailbox may be another one than email_key says; other domains are their own ASCII form.
      CREATE INDEX account_mailbox_unknown ON account (id) WHERE mailbox IS NULL AND email_problem IS NULL AND (
        email_key !~ '^[^@]+@([a-z0-9]+(-[a-z0-9]+)*[.])*[a-z][a-z0-9]*(-[a-z0-9]+)*$' OR email_key ~ '[.@][^.@]{64}');
      CREATE INDEX account_email_problem ON account (id) WHERE email_problem IS NOT NULL;
    `)
  },
}
