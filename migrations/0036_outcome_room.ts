/**
 * Free space in the pages of outcomes. Resuming an interaction then rewrites its row in the same
 * page and updates no index.
 */
import type { Migration } from './index.ts'

export const outcomeRoom: Migration = {
  name: '0036_outcome_room',
  up: async (knex) => {
    await knex.raw('ALTER TABLE interaction_outcome SET (fillfactor = 50)')
  },
}
