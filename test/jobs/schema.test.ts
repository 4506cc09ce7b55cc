/** The queue's tables: migrated on request, never by a worker itself. */
import { runMigrations } from 'graphile-worker'
import { createQueuePool, queueLogger } from '../../src/jobs/connection.ts'
import { isQueueSchemaCurrent, migrateQueue, queueSchemaVersion } from '../../src/jobs/migrate.ts'
import { createLog } from '../../src/log.ts'
import { waitFor } from '../support/wait.ts'
import { createQueueBench } from './started-queue.ts'

let bench: Awaited<ReturnType<typeof createQueueBench>>
beforeEach(async () => {
  bench = await createQueueBench()
  await bench.database.knex.raw('DROP SCHEMA graphile_worker CASCADE')
})
afterEach(() => bench.close())

test('the required schema version is the newest of graphile-worker', async () => {
  const pool = createQueuePool({ url: bench.url, log: bench.log, size: 1 })
  try {
    await runMigrations({ pgPool: pool, schema: 'graphile_worker', logger: queueLogger(bench.log) })
    const { rows } = await pool.query('SELECT max(id) AS id FROM graphile_worker.migrations')
    expect(rows[0].id).toBe(queueSchemaVersion)
  } finally {
    await pool.end()
  }
})

test('a worker waits for the migration, and then begins without a restart', async () => {
  const seen: unknown[] = []
  const lines: string[] = []
  const log = createLog({ level: 'error', destination: { write: (line) => void lines.push(line) } })
  const queue = bench.startQueue({ tasks: { greet: async (payload) => void seen.push(payload) } }, { log })
  await waitFor(() => lines.some((line) => line.includes('the tables of the job queue are not migrated')))
  expect(await isQueueSchemaCurrent(bench.database.pool)).toBe(false)
  await migrateQueue({ url: bench.url, log: bench.log })
  expect(await isQueueSchemaCurrent(bench.database.pool)).toBe(true)
  await bench.database.transaction((tx) => queue.enqueue(tx, 'greet', 'hello'))
  await waitFor(() => seen.length > 0)
})

test('processes that migrate at the same time all succeed', async () => {
  await Promise.all([1, 2, 3].map(() => migrateQueue({ url: bench.url, log: bench.log })))
  expect(await isQueueSchemaCurrent(bench.database.pool)).toBe(true)
})
