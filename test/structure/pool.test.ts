/** The pool is not used inside a transaction. The compiler's types find each way, planted here. */
import { findPoolUses } from './pool-lint.ts'

const head = `
import type { Knex } from 'knex'
import type { Pool } from 'pg'
import type { Postgres } from '../../adapters/postgres/connection.ts'
import type { Accounts } from '../accounts/service.ts'
import { findAccountById } from '../accounts/repository.ts'
import type { Database, Queryable, Transaction, Tx } from '../database/database.ts'
import type { RecoveryCodes } from '../mfa/methods/recovery-code/method.ts'

type Deps = {
  db: Queryable
  knex: Knex
  pool: Pool
  postgres: Postgres
  database: Database
  transaction: Transaction
  accounts: Accounts
  codes: RecoveryCodes
  other: (work: (tx: Tx) => Promise<unknown>) => Promise<unknown>
}

export const planted = ({ db, knex, pool, postgres, database, transaction, accounts, codes, other }: Deps, id: string) => {
  const find = () => findAccountById(db, id)
  const findLater = () => find()
`
const foot = '\n}\n'

const refused: readonly string[] = [
  "return transaction(async (tx) => db('account'))",
  "return transaction(async (tx) => knex('account'))",
  "return transaction(async (tx) => pool.query('SELECT 1'))",
  "return transaction(async () => database.knex('account'))",
  "return other(async (tx) => db('account'))",
  "return async (tx: Tx) => db('account')",
  'return transaction((tx) => findAccountById(db, id))',
  'return transaction(async (tx) => [1].map(() => findAccountById(db, id)))',
  'return transaction((tx) => find())',
  'return transaction((tx) => findLater())',
  'return transaction(async (tx) => [id].map(find))',
  "return transaction((tx) => accounts.findByEmail('a@example.com'))",
  'return transaction((tx) => accounts.readById(id))',
  'return transaction((tx) => accounts.findById(id))',
  'return transaction((tx) => codes.count(id))',
  "return transaction((tx) => postgres.query({ name: 'a', text: 'SELECT 1' }, []))",
  "return transaction((tx) => accounts.enable(id, { type: 'account', id }))",
  'return transaction((tx) => transaction((inner) => findAccountById(inner, id)))',
  'return database.transaction((tx) => database.transaction((inner) => findAccountById(inner, id)))',
]

const allowed: readonly string[] = [
  'return transaction((tx) => findAccountById(tx, id))',
  "return transaction((tx) => accounts.within(tx).enable(id, { type: 'account', id }))",
  "return transaction((tx) => {\n    const writes = accounts.within(tx)\n    return writes.enable(id, { type: 'account', id })\n  })",
  'return transaction((tx) => codes.count(id, tx))',
  'return transaction((tx) => tx.transaction((inner) => findAccountById(inner, id)))',
  'return async (within: Queryable) => findAccountById(within, id)',
  'return [find(), findLater(), codes.count(id)]',
]

const pathOf = (list: 'refused' | 'allowed', index: number) => `src/planted/${list}-${index}.ts`
const plant = (list: 'refused' | 'allowed', bodies: readonly string[]) =>
  bodies.map((body, index): [string, string] => [pathOf(list, index), `${head}  ${body}${foot}`])

const found = findPoolUses(Object.fromEntries([...plant('refused', refused), ...plant('allowed', allowed)]))
const foundIn = (file: string) => found.filter((one) => one.startsWith(`${file}:`))

test('within a transaction no code uses the pool, directly or through a call', () => {
  expect(found.filter((one) => !one.startsWith('src/planted/'))).toEqual([])
})

test.each(refused.map((body, index) => [body, index] as const))('refused: %s', (_body, index) => {
  expect(foundIn(pathOf('refused', index))).not.toEqual([])
})

test.each(allowed.map((body, index) => [body, index] as const))('allowed: %s', (_body, index) => {
  expect(foundIn(pathOf('allowed', index))).toEqual([])
})
