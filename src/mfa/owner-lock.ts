/** The account's row of a factor, locked in one generation. */
import type { Queryable } from '../database/database.ts'
import type { FactorOwner } from './method.ts'

/** A code is spent only in the generation in which it was asked for. The account's row is locked first, as a reset does. */
export const lockOwner = (db: Queryable, { accountId, generation }: FactorOwner) =>
  db('account').where({ id: accountId, generation }).forShare().select('id')
