/** Room in the pages of outcomes, so that resuming an interaction writes its row anew in the same page and touches no index. */
import type { Migration } from './index.ts'

export const outcomeRoom: Migration = {
  name: '0036_outcome_room',
  up: async (knex) => {
    await knex.raw('ALTER TABLE interaction_outcome SET (fillfactor = 50)')
  },
}
