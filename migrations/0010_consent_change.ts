/** Consents are cached in memory by account: a change of one is announced (0000_change_feed.ts). */
import type { Migration } from './index.ts'

export const consentChange: Migration = {
  name: '0010_consent_change',
  up: async (knex) => {
    await knex.raw(`
      CREATE TRIGGER consent_change AFTER INSERT OR UPDATE OR DELETE ON consent
        FOR EACH ROW EXECUTE FUNCTION latchkey_notify_change('account_id')
    `)
  },
}
