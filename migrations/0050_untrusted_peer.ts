/**
 * A peer that sent X-Forwarded-For and is not a configured proxy. Stored for `doctor`, which runs
 * in another process.
 */
import type { Migration } from './index.ts'

export const untrustedPeer: Migration = {
  name: '0050_untrusted_peer',
  up: async (knex) => {
    await knex.raw('ALTER TABLE store_set_up ADD COLUMN untrusted_peer text')
  },
}
