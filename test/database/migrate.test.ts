/** Migrations run once, in order and completely, also when several processes migrate at once. */
import { readdirSync } from 'node:fs'
import path from 'node:path'
import type { Migration } from '../../migrations/index.ts'
import { migrations } from '../../migrations/index.ts'
import { createDatabase } from '../../src/database/database.ts'
import { migrateUnderLock, pendingMigrations } from '../../src/database/migrate.ts'
import { createLog } from '../../src/log.ts'
import type { TestDatabase } from '../support/database.ts'
import { createTestDatabase } from '../support/database.ts'
import { waitFor } from '../support/wait.ts'

const log = createLog({ level: 'silent' })
const names = migrations.map(({ name }) => name)

let own: TestDatabase
beforeEach(async () => {
  own = await createTestDatabase({ isEmpty: true })
})
afterEach(() => own.close())

const makesTable = (name: string): Migration => ({
  name,
  up: (knex) => knex.schema.createTable(name, (t) => t.text('x')),
})

test('the list contains every file of migrations/ by its name, in the order of the numbers', () => {
  const files = readdirSync(path.resolve(import.meta.dirname, '../../migrations')).filter((file) => /^\d/.test(file))
  expect(names).toEqual(files.sort().map((file) => file.replace('.ts', '')))
})

test('the first run applies every migration, and a second run none', async () => {
  const { maintenance } = own.database
  expect(await pendingMigrations(maintenance)).toEqual(names)
  expect(await migrateUnderLock({ knex: maintenance, log })).toEqual(names)
  expect(await pendingMigrations(maintenance)).toEqual([])
  expect(await migrateUnderLock({ knex: maintenance, log })).toEqual([])
})

test('processes that start concurrently on an empty database all succeed, and each migration runs once', async () => {
  const processes = [1, 2, 3, 4].map(() => createDatabase({ url: own.url, poolSize: 2, log }))
  const applied = await Promise.all(processes.map(({ maintenance }) => migrateUnderLock({ knex: maintenance, log })))
  expect(applied.flat().sort()).toEqual(names)
  expect(await pendingMigrations(own.database.knex)).toEqual([])
  await Promise.all(processes.map((database) => database.close()))
})

test('a failed migration is rolled back and rejects; earlier ones stay applied, later ones stay pending', async () => {
  const { maintenance: knex } = own.database
  const fails: Migration = {
    name: 'second',
    up: async (tx) => {
      await tx.schema.createTable('half', (t) => t.text('x'))
      await tx.raw('SELECT 1/0')
    },
  }
  const list = [makesTable('first'), fails, makesTable('third')]
  await expect(migrateUnderLock({ knex, log }, list)).rejects.toMatchObject({ code: '22012' })
  expect(await pendingMigrations(knex, list)).toEqual(['second', 'third'])
  expect(await knex.schema.hasTable('half')).toBe(false)

  const mended = [list[0]!, makesTable('second'), list[2]!]
  expect(await migrateUnderLock({ knex, log }, mended)).toEqual(['second', 'third'])
})

test('a database with newer migrations than the program is not changed', async () => {
  const { maintenance: knex } = own.database
  await migrateUnderLock({ knex, log }, [makesTable('first'), makesTable('newer')])
  expect(await migrateUnderLock({ knex, log }, [makesTable('first')])).toEqual([])
})

test('a migration, and a process that waits for it, may take longer than a request', async () => {
  const { maintenance, knex } = own.database
  const { rows } = await maintenance.raw('SELECT current_database() AS name')
  await maintenance.raw("ALTER DATABASE ?? SET statement_timeout = '100ms'", [rows[0].name])
  const limited = createDatabase({ url: own.url, directUrl: own.url, poolSize: 2, log })
  const list: Migration[] = [{ name: 'slow', up: async (tx) => void (await tx.raw('SELECT pg_sleep(0.4)')) }]
  const applied = await Promise.all([
    migrateUnderLock({ knex: limited.maintenance, log }, list),
    migrateUnderLock({ knex, log }, list),
  ])
  expect(applied.flat()).toEqual(['slow'])
  await limited.close()
})

test('a migration that waits for a table delays no other request, and is applied when the table is free', async () => {
  const { knex, maintenance } = own.database
  const alters: Migration = {
    name: 'alters',
    up: async (tx) => void (await tx.raw('ALTER TABLE busy ADD COLUMN y text')),
  }
  await migrateUnderLock({ knex: maintenance, log }, [makesTable('busy')])
  const backup = await knex.transaction()
  await backup('busy').select()
  const migrating = migrateUnderLock({ knex: maintenance, log }, [makesTable('busy'), alters])
  const isWaiting = async () => {
    const { rows } = await knex.raw("SELECT FROM pg_locks WHERE relation = 'busy'::regclass AND NOT granted")
    return rows.length > 0
  }
  try {
    await waitFor(isWaiting, { what: 'a migration that waits' })
    // A read behind the migration. After 5 s it would be given up.
    expect(await knex('busy').select()).toEqual([])
  } finally {
    await backup.commit()
  }
  expect(await migrating).toEqual(['alters'])
})
