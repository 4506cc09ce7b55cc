/** The doctor's checks of the database and of Redis. */
import { randomBytes } from 'node:crypto'
import { createSealer } from '../../keys/sealer.ts'
import { migrations } from '../../migrations/index.ts'
import { migrateUnderLock } from '../../src/database/migrate.ts'
import { checkDatabase, checkEmbedded, checkPooler, checkRedis } from '../../src/doctor/verdicts.ts'
import { createLog } from '../../src/log.ts'
import type { TestDatabase } from '../support/database.ts'
import { createTestDatabase } from '../support/database.ts'
import { runCommand } from './command-line.ts'

let own: TestDatabase
beforeAll(async () => {
  own = await createTestDatabase({ isEmpty: true })
})
afterAll(() => own?.close())

test('a read-only database is a failure', async () => {
  const { transaction, knex } = own.database
  expect(await checkDatabase(knex)).toMatchObject({ status: 'ok' })
  const readOnly = transaction(async (tx) => {
    await tx.raw('SET TRANSACTION READ ONLY')
    return checkDatabase(tx)
  })
  expect(await readOnly).toMatchObject({ status: 'failed', code: 'database_read_only' })
})

test('a pooler is reported, and so is a role behind it without limits for statements', async () => {
  const behind = (timeout: string) =>
    own.database.transaction(async (tx) => {
      await tx.raw(`SET LOCAL statement_timeout = ${timeout}`)
      return checkPooler(tx, true)
    })
  expect(await checkPooler(own.database.knex, false)).toEqual([])
  expect(await behind('5000')).toMatchObject([{ status: 'ok', code: 'database_pooled' }])
  expect(await behind('0')).toMatchObject([{ status: 'warning', code: 'database_pooled_unlimited' }])
})

test('an outdated embedded database is a warning', () => {
  expect(checkEmbedded(undefined)).toEqual([])
  expect(checkEmbedded({ version: '18.6', newest: '18.6', releases: 0 })).toMatchObject([{ status: 'ok' }])
  expect(checkEmbedded({ version: '18.4', newest: '18.6', releases: 2 })).toMatchObject([
    { status: 'warning', code: 'embedded_behind', params: { releases: 2 } },
  ])
})

test('a Redis that is unavailable or refuses writes is reported as such', () => {
  expect([undefined, 'ok', 'away', 'refuses_writes'].map((state) => checkRedis(state as never).code)).toEqual([
    'redis_unused',
    'redis_ok',
    'redis_away',
    'redis_refuses_writes',
  ])
})

test('before the migrations of an upgrade only these are reported, and nothing is changed', async () => {
  const upgraded = await createTestDatabase({ isEmpty: true })
  const { knex, maintenance } = upgraded.database
  const before = migrations.filter(({ name }) => name < '0059')
  await migrateUnderLock({ knex: maintenance, log: createLog({ level: 'silent' }) }, before)
  const masterKey = randomBytes(32)
  const sealed = createSealer(masterKey).seal(randomBytes(32), 'root_secret:1')
  await knex.raw('INSERT INTO root_secret (id, sealed, created_at) VALUES (1, ?, 0)', [sealed])

  const env = { NODE_ENV: 'test', DATABASE_URL: upgraded.url, MASTER_KEY: masterKey.toString('hex') }
  const { checks } = (await runCommand(['doctor', '--json'], { env: { ...env, MIGRATE_AT_START: 'false' } })).json()
  const failed = checks.filter(({ status }: { status: string }) => status === 'failed')
  expect(failed).toMatchObject([{ check: 'migrations', code: 'migrations_missing' }])
  expect(await knex('schema_migration').count()).toEqual([{ count: before.length }])
  await upgraded.close()
})
