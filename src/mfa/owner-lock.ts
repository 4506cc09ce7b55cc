/** The lock on the account's row while a factor is used. */
import type { Queryable } from '../database/database.ts'
import type { FactorOwner } from './method.ts'

/**
 * Locks the account's row first, like a reset. A code is accepted only in the generation in which
 * it was requested.
 */
export const lockOwner = (db: Queryable, { accountId, generation }: FactorOwner) =>
  db('account').where({ id: accountId, generation }).forShare().select('id')
