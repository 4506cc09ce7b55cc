/**
 * The cost of password hashes, in an index: sign-ins read which costs are stored, and must not read
 * every account.
 */
import type { Migration } from './index.ts'

export const passwordCost: Migration = {
  name: '0046_password_cost',
  up: async (knex) => {
    // The expressions are those of src/accounts/password-costs.ts.
    await knex.raw(`
      CREATE INDEX account_password_cost ON account (
        substring(password_hash from '^([$]2[aby][$][0-9]{2}|[$][a-z0-9-]+([$]v=[0-9]+){0,1}[$][^$]*)'),
        length(substring(password_hash from '[^$]*$'))
      )
    `)
  },
}
