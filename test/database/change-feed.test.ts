/**
 * The change feed: the notification of a committed change, and the recovery of a broken connection.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { createChangeFeed, longestSilenceMs } from '../../src/database/change-feed.ts'
import { createLog } from '../../src/log.ts'
import type { TestDatabase } from '../support/database.ts'
import { createTestDatabase } from '../support/database.ts'
import { waitFor } from '../support/wait.ts'

let own: TestDatabase
beforeAll(async () => {
  own = await createTestDatabase()
  await own.database.knex.raw(`
    CREATE TABLE thing (name text PRIMARY KEY, digest bytea, "odd Column" int);
    CREATE TRIGGER thing_change AFTER INSERT OR UPDATE OR DELETE ON thing
      FOR EACH ROW EXECUTE FUNCTION latchkey_notify_change('name');
    CREATE TRIGGER thing_emptied AFTER TRUNCATE ON thing FOR EACH STATEMENT EXECUTE FUNCTION latchkey_notify_change('name');
    CREATE TABLE other (name text PRIMARY KEY, digest bytea, "odd Column" int);
    CREATE TRIGGER other_change AFTER INSERT OR UPDATE OR DELETE ON other
      FOR EACH ROW EXECUTE FUNCTION latchkey_notify_change('digest', 'odd Column');
  `)
})
afterAll(() => own.close())

/** Keys announced for `table` while `change` ran. The test's own notification marks the end. */
async function announced(table: string, change: () => Promise<unknown>): Promise<string[]> {
  const { changes, knex } = own.database
  const keys: string[] = []
  const end = changes.subscribe(table, (key) => keys.push(key))
  await change()
  await knex.raw("SELECT pg_notify('latchkey_change', ?)", [`${table}:the end`])
  await waitFor(() => keys.includes('the end'))
  end()
  return keys.slice(0, -1)
}

test('an insert, an update and a delete each announce the key of their row', async () => {
  const { knex } = own.database
  expect(await announced('thing', () => knex('thing').insert({ name: 'a:b' }))).toEqual(['a:b'])
  expect(await announced('thing', () => knex('thing').update({ 'odd Column': 1 }))).toEqual(['a:b'])
  expect(await announced('thing', () => knex('thing').delete())).toEqual(['a:b'])
})

test('a changed key announces the old one and the new one', async () => {
  const { knex } = own.database
  expect(await announced('thing', () => knex('thing').insert({ name: 'old' }))).toEqual(['old'])
  expect(await announced('thing', () => knex('thing').update({ name: 'new' }))).toEqual(['old', 'new'])
})

test('a change that is rolled back announces nothing', async () => {
  const { transaction } = own.database
  const change = () =>
    transaction(async (tx) => {
      await tx('thing').insert({ name: 'never' })
      throw new Error('no')
    })
  expect(await announced('thing', () => expect(change()).rejects.toThrow('no'))).toEqual([])
})

test('a change is announced only after its transaction has committed', async () => {
  const { transaction } = own.database
  const keys: string[] = []
  const end = own.database.changes.subscribe('thing', (key) => keys.push(key))
  const announceMeanwhile = AsyncLocalStorage.bind(async () => {
    await own.database.knex.raw("SELECT pg_notify('latchkey_change', 'thing:meanwhile')")
  })
  await transaction(async (tx) => {
    await tx('thing').insert({ name: 'later' })
    await announceMeanwhile()
    await waitFor(() => keys.includes('meanwhile'))
    expect(keys).toEqual(['meanwhile'])
  })
  await waitFor(() => keys.includes('later'))
  end()
})

test('a key of any type, and each key of a row, is announced', async () => {
  const { knex } = own.database
  const insert = () => knex('other').insert({ name: 'x', digest: Buffer.from([1, 255]), 'odd Column': 7 })
  expect(await announced('other', insert)).toEqual(['\\x01ff', '7'])
})

test('a truncated table, and a key that is too long for a notification, announce every row', async () => {
  const { knex } = own.database
  expect(await announced('thing', () => knex.raw('TRUNCATE thing'))).toEqual([''])
  // Random, because an index refuses long texts that do not compress.
  await knex.raw('ALTER TABLE thing DROP CONSTRAINT thing_pkey')
  expect(await announced('thing', () => knex('thing').insert({ name: 'ü'.repeat(4_000) }))).toEqual([''])
})

test('changes of other tables, and changes after the subscription has ended, are not reported', async () => {
  const { knex } = own.database
  expect(await announced('thing', () => knex('other').insert({ name: 'y', 'odd Column': 8 }))).toEqual([])
  const keys: string[] = []
  own.database.changes.subscribe('thing', (key) => keys.push(key))()
  expect(await announced('thing', () => knex('thing').insert({ name: 'z' }))).toEqual(['z'])
  expect(keys).toEqual([])
})

test('a broken connection is reported, and is restored without a restart', async () => {
  const { changes, knex } = own.database
  const told: boolean[] = []
  const end = changes.onConnectionChange((connected) => told.push(connected))
  expect(changes.isConnected()).toBe(true)
  await knex.raw(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND (query LIKE 'LISTEN%' OR query LIKE 'SELECT 1 AS \"LISTEN\"%')",
  )
  await waitFor(() => told.length === 2)
  expect(told).toEqual([false, true])
  expect(await announced('thing', () => knex('thing').insert({ name: 'again' }))).toEqual(['again'])
  end()
})

test('the log has the reason why a connection was lost', async () => {
  const lines: string[] = []
  const log = createLog({ level: 'warn', destination: { write: (line) => void lines.push(line) } })
  const name = 'feed with a log'
  const feed = createChangeFeed({ url: own.url, name, log })
  await feed.whenConnected()
  await own.database.knex.raw('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = ?', [
    name,
  ])
  await waitFor(() => lines.length > 0)
  expect(JSON.parse(lines[0]!)).toMatchObject({ level: 'warn', err: { message: expect.any(String) } })
  await feed.close()
})

test('a connection that does not answer is reported long before its statement fails, and counts again when it answers', async () => {
  const { changes, knex } = own.database
  const told: boolean[] = []
  const end = changes.onConnectionChange((connected) => told.push(connected))
  const { rows } = await knex.raw(
    `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND (query LIKE 'LISTEN%' OR query LIKE 'SELECT 1 AS "LISTEN"%')`,
  )
  expect(rows).toHaveLength(1)
  expect(longestSilenceMs).toBeLessThanOrEqual(1_000)
  const began = performance.now()
  process.kill(rows[0].pid, 'SIGSTOP')
  try {
    await waitFor(() => told.length === 1)
    // The statement fails after 6 s.
    expect(performance.now() - began).toBeLessThan(5_000)
    expect(changes.isConnected()).toBe(false)
  } finally {
    process.kill(rows[0].pid, 'SIGCONT')
  }
  await waitFor(() => told.length === 2)
  expect(told).toEqual([false, true])
  expect(await announced('thing', () => knex('thing').insert({ name: 'heard' }))).toEqual(['heard'])
  end()
})
