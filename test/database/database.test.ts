/** The Postgres connection: transactions, the session's limits, and an unavailable database. */
import { createDatabase } from '../../src/database/database.ts'
import { createLog } from '../../src/log.ts'
import type { TestDatabase } from '../support/database.ts'
import { createTestDatabase } from '../support/database.ts'
import { findFreePort } from '../support/ports.ts'
import { startPostgresServer } from '../support/postgres-server.ts'
import { describeWith } from '../support/programs.ts'
import { waitFor } from '../support/wait.ts'

const log = createLog({ level: 'silent' })
const unavailable = { code: 'database_unavailable', status: 503, retryAfterSeconds: 5 }

describe('with a running database', () => {
  let own: TestDatabase
  beforeAll(async () => {
    own = await createTestDatabase()
    await own.database.knex.raw('CREATE TABLE note (id bigint PRIMARY KEY, said text)')
  })
  afterAll(() => own.close())
  beforeEach(() => own.database.knex('note').delete())

  test('a transaction is committed when its work resolves, and returns the result of the work', async () => {
    const given = await own.database.transaction(async (tx) => {
      await tx('note').insert({ id: 1 })
      return 'done'
    })
    expect(given).toBe('done')
    expect(await own.database.knex('note').pluck('id')).toEqual([1])
  })

  test('a transaction is rolled back when its work rejects, with the error of the work', async () => {
    const work = own.database.transaction(async (tx) => {
      await tx('note').insert({ id: 2 })
      throw new Error('changed my mind')
    })
    await expect(work).rejects.toThrow('changed my mind')
    expect(await own.database.knex('note').pluck('id')).toEqual([])
  })

  test('a transaction that Postgres ends in a deadlock is repeated, and both transactions commit', async () => {
    const { transaction, knex } = own.database
    await knex('note').insert([
      { id: 4, said: '' },
      { id: 5, said: '' },
    ])
    const haveLocked = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    let attempts = 0
    const change = (mine: number, other: number, turn: number) =>
      transaction(async (tx) => {
        attempts += 1
        await tx('note')
          .where({ id: mine })
          .update({ said: tx.raw("said || '1'") })
        haveLocked[turn]!.resolve()
        await haveLocked[1 - turn]!.promise
        await tx('note')
          .where({ id: other })
          .update({ said: tx.raw("said || '2'") })
      })
    await Promise.all([change(4, 5, 0), change(5, 4, 1)])
    expect(attempts).toBe(3)
    expect((await knex('note').orderBy('id').pluck('said')).map((said) => said.length)).toEqual([2, 2])
  })

  test('a connection that breaks in the middle of a transaction rejects it, and the process and the pool continue', async () => {
    const { transaction, knex } = own.database
    const work = transaction(async (tx) => {
      await tx('note').insert({ id: 3 })
      await tx.raw('SELECT pg_terminate_backend(pg_backend_pid())')
    })
    await expect(work).rejects.toMatchObject(unavailable)
    expect(await knex('note').pluck('id')).toEqual([])
  })

  test('a connection that breaks while idle is replaced at the next query', async () => {
    const { pool, knex } = own.database
    await pool.query('SELECT 1')
    await knex.raw(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()',
    )
    await waitFor(() => pool.query('SELECT 1').then(() => true))
    expect(await own.database.isHealthy()).toBe(true)
  })

  test('every session has the application name and the time limits', async () => {
    const { pool, knex, maintenance } = own.database
    const settings = `SELECT current_setting('application_name') AS name, current_setting('statement_timeout') AS statement,
      current_setting('idle_in_transaction_session_timeout') AS idle`
    const limited = { name: 'latchkey', statement: '5s', idle: '10s' }
    expect((await pool.query(settings)).rows).toEqual([limited])
    expect((await knex.raw(settings)).rows).toEqual([limited])
    expect((await maintenance.raw(settings)).rows).toEqual([{ name: 'latchkey', statement: '0', idle: '0' }])
  })

  test('a statement that exceeds its time limit rejects with database_unavailable', async () => {
    const slow = own.database.transaction(async (tx) => {
      await tx.raw('SET LOCAL statement_timeout = 50')
      await tx.raw('SELECT pg_sleep(10)')
    })
    await expect(slow).rejects.toMatchObject(unavailable)
  })

  test('a bigint is read as a number', async () => {
    await own.database.knex('note').insert({ id: 1_790_000_000_000 })
    expect((await own.database.pool.query('SELECT id, (SELECT count(*) FROM note) AS n FROM note')).rows).toEqual([
      { id: 1_790_000_000_000, n: 1 },
    ])
  })

  test('an error of a query keeps its SQLSTATE and reveals no value', async () => {
    const insert = () => own.database.knex('note').insert({ id: 7, said: 'wonderland tea party' })
    await insert()
    const error = await insert().then(
      () => undefined,
      (reason: Error) => reason,
    )
    expect(error).toMatchObject({ code: '23505' })
    expect(error?.message).not.toContain('wonderland')
  })
})

test('without a listening database every query rejects with database_unavailable', async () => {
  const url = `postgresql://postgres@127.0.0.1:${await findFreePort()}/postgres`
  const { knex, pool, transaction, changes, isHealthy, close } = createDatabase({ url, poolSize: 2, log })
  await expect(pool.query('SELECT 1')).rejects.toMatchObject(unavailable)
  await expect(pool.connect()).rejects.toMatchObject(unavailable)
  await expect(knex.raw('SELECT 1')).rejects.toMatchObject(unavailable)
  await expect(transaction((tx) => tx.raw('SELECT 1'))).rejects.toMatchObject(unavailable)
  expect(await isHealthy()).toBe(false)
  expect(changes.isConnected()).toBe(false)
  await close()
})

test('a second connection inside a transaction is refused at once, and delays no other request', async () => {
  const own = await createTestDatabase()
  const database = createDatabase({ url: own.url, poolSize: 2, log })
  const { knex, pool, transaction } = database
  const refused = 'a second connection'
  const nested = [() => knex.raw('SELECT 1'), () => pool.query('SELECT 1'), () => transaction(async () => undefined)]
  for (const ask of nested) {
    const answers = await Promise.allSettled(Array.from({ length: 4 }, () => transaction(async () => ask())))
    expect(answers.map((answer) => answer.status === 'rejected' && String(answer.reason))).toEqual(
      Array(4).fill(expect.stringContaining(refused)),
    )
  }
  // Queries on the transaction's own connection run, savepoints too. The pool works again
  // afterwards.
  await transaction((tx) => tx.transaction((inner) => inner.raw('SELECT 1')))
  let after: Promise<unknown> | undefined
  const { promise, resolve } = Promise.withResolvers<void>()
  await transaction(async () => {
    after = promise.then(() => knex.raw('SELECT 1'))
  })
  resolve()
  await after
  await knex.raw('SELECT 1')
  await database.close()
  await own.close()
})

test('behind a pooler no session setting is used, and the change feed connects directly', async () => {
  const own = await createTestDatabase()
  const database = createDatabase({ url: `${own.url}&x=pooler`, directUrl: own.url, poolSize: 2, log })
  const { rows } = await database.pool.query("SELECT current_setting('statement_timeout') AS limit")
  expect(rows).toEqual([{ limit: '0' }])
  await database.changes.whenConnected()
  const { rows: listeners } = await database.maintenance.raw(
    "SELECT application_name AS name FROM pg_stat_activity WHERE (query LIKE 'LISTEN%' OR query LIKE 'SELECT 1 AS \"LISTEN\"%') AND datname = current_database()",
  )
  expect(listeners).toContainEqual({ name: 'latchkey' })
  await database.close()
  await own.close()
})

describeWith('postgres', 'a Postgres server that', () => {
  test('stops and returns is used again without a restart of the server', async () => {
    const server = await startPostgresServer()
    const database = createDatabase({ url: server.url(), poolSize: 4, log })
    const { pool, knex, transaction, changes } = database
    await changes.whenConnected()
    await knex.raw('CREATE TABLE note (id int PRIMARY KEY)')
    await Promise.all([1, 2, 3, 4].map((id) => pool.query('INSERT INTO note VALUES ($1)', [id])))

    await server.kill()
    await expect(pool.query('SELECT 1')).rejects.toMatchObject(unavailable)
    await expect(knex('note')).rejects.toMatchObject(unavailable)
    await expect(transaction(async (tx) => tx('note'))).rejects.toMatchObject(unavailable)
    expect(await database.isHealthy()).toBe(false)
    await waitFor(() => !changes.isConnected())

    await server.start()
    await waitFor(() => database.isHealthy())
    await waitFor(() => changes.isConnected())
    expect(await knex('note').pluck('id').orderBy('id')).toEqual([1, 2, 3, 4])
    await database.close()
    await server.close()
  })

  test('does not respond delays a request for seconds only, and is used again when it responds', async () => {
    const server = await startPostgresServer()
    const database = createDatabase({ url: server.url(), poolSize: 2, log })
    await database.pool.query('SELECT 1')
    await database.knex.raw('SELECT 1')
    server.freeze()
    await Promise.all([
      expect(database.pool.query('SELECT 1')).rejects.toMatchObject(unavailable),
      expect(database.knex.raw('SELECT 1')).rejects.toMatchObject(unavailable),
    ])
    expect(await database.isHealthy()).toBe(false)
    server.thaw()
    await waitFor(() => database.isHealthy())
    expect((await database.knex.raw('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    await database.close()
    await server.close()
  })
})
