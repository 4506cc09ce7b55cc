/**
 * Emails about a new browser are counted separately, so that notices which a stranger causes do not
 * use up their limit.
 */
import type { Migration } from './index.ts'

export const newBrowserCount: Migration = {
  name: '0035_new_browser_count',
  up: async (knex) => {
    await knex.raw(`
      ALTER TABLE account_link DROP CONSTRAINT account_link_purpose_check;
      ALTER TABLE account_link ADD CONSTRAINT account_link_purpose_check
        CHECK (purpose IN ('verify', 'recover', 'change_email', 'invite', 'notice', 'reset_factors', 'new_browser'));
    `)
  },
}
