/** The way to Postgres: transactions, limits, and the change feed. */
import { createTestDatabase } from '../support/database.ts'

test('a transaction is committed when its work resolves, and rolled back with the error of the work when it rejects', async () => {
  const { database, close } = await createTestDatabase()
  await database.knex.raw('CREATE TABLE note (id int PRIMARY KEY)')
  await database.transaction(async (tx) => tx('note').insert({ id: 1 }))
  await expect(
    database.transaction(async (tx) => {
      await tx('note').insert({ id: 2 })
      throw new Error('changed my mind')
    }),
  ).rejects.toThrow('changed my mind')
  expect(await database.knex('note').pluck('id')).toEqual([1])
  await close()
})
