/**
 * A change of the root secret is announced too: its seal says which master key seals new values
 * (`latchkey keys reseal`).
 */
import type { Migration } from './index.ts'

export const keyRingChanges: Migration = {
  name: '0011_key_ring_changes',
  up: async (knex) => {
    await knex.raw(`
      CREATE TRIGGER root_secret_change AFTER UPDATE ON root_secret
        FOR EACH ROW EXECUTE FUNCTION latchkey_notify_change('id')
    `)
  },
}
