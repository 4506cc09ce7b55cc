/**
 * The queue: jobs are enqueued in our transaction and run at least once, by one process at a time.
 */
import pg from 'pg'
import type { Task } from '../../src/jobs/queue.ts'
import { createLog } from '../../src/log.ts'
import { waitFor } from '../support/wait.ts'
import { createQueueBench } from './started-queue.ts'

let bench: Awaited<ReturnType<typeof createQueueBench>>
beforeEach(async () => {
  bench = await createQueueBench()
})
afterEach(() => bench.close())

/** A task that records its payloads. */
function recorder(): { task: Task; seen: unknown[] } {
  const seen: unknown[] = []
  return { seen, task: async (payload) => void seen.push(payload) }
}

test('a job runs when the transaction of the change commits, and never when it is rolled back', async () => {
  const { task, seen } = recorder()
  const queue = bench.startQueue({ tasks: { greet: task } })
  await expect(
    bench.database.transaction(async (tx) => {
      await queue.enqueue(tx, 'greet', { name: 'nobody' })
      throw new Error('the change failed')
    }),
  ).rejects.toThrow('the change failed')
  await bench.database.transaction(async (tx) => {
    await queue.enqueue(tx, 'greet', { name: 'Alice' })
    expect(seen).toEqual([])
  })
  await waitFor(async () => (await bench.jobs()).length === 0)
  expect(seen).toEqual([{ name: 'Alice' }])
})

test('a job with a later time waits until it is due', async () => {
  const { task, seen } = recorder()
  const queue = bench.startQueue({ tasks: { greet: task } })
  await bench.database.transaction((tx) => queue.enqueue(tx, 'greet', 'later', { runAtMs: Date.now() + 3_600_000 }))
  await bench.database.transaction((tx) => queue.enqueue(tx, 'greet', 'now'))
  await waitFor(() => seen.length > 0)
  expect(seen).toEqual(['now'])
  await bench.makeDue()
  await waitFor(() => seen.length === 2)
})

test('of waiting jobs with the same key the newest remains', async () => {
  const { task, seen } = recorder()
  const later = { key: 'report', runAtMs: Date.now() + 3_600_000 }
  const queue = bench.startQueue({ tasks: { report: task } })
  await bench.database.transaction((tx) => queue.enqueue(tx, 'report', 1, later))
  await bench.database.transaction((tx) => queue.enqueue(tx, 'report', 2, later))
  await bench.makeDue()
  await waitFor(async () => (await bench.jobs()).length === 0)
  expect(seen).toEqual([2])
})

test('a failed job is repeated later up to its maximum, and then stays for an operator', async () => {
  const attempts: string[] = []
  const fail: Task = async (_, { attempt, maxAttempts }) => {
    attempts.push(`${attempt} of ${maxAttempts}`)
    throw new Error('no answer')
  }
  const queue = bench.startQueue({ tasks: { call: fail } })
  await bench.database.transaction((tx) => queue.enqueue(tx, 'call', {}, { maxAttempts: 2 }))
  const waiting = await waitFor(async () => (await bench.jobs()).find((job) => job.last_error && !job.locked_at))
  expect(waiting).toMatchObject({ attempts: 1, last_error: 'no answer' })
  expect(waiting.is_due).toBe(false)
  await bench.makeDue()
  await waitFor(async () => (await bench.jobs()).find((job) => job.attempts === 2 && !job.locked_at))
  await bench.makeDue()
  await bench.database.transaction((tx) => queue.enqueue(tx, 'call', {}, { maxAttempts: 1 }))
  await waitFor(() => attempts.includes('1 of 1'))
  expect(attempts).toEqual(['1 of 2', '2 of 2', '1 of 1'])
})

test('many processes share the work, and each job runs in one of them', async () => {
  const seen: number[] = []
  const task: Task = async (payload) => void seen.push(payload as number)
  const [queue] = [1, 2, 3].map(() => bench.startQueue({ tasks: { count: task } }))
  await bench.database.transaction(async (tx) => {
    for (let number = 0; number < 50; number += 1) await queue?.enqueue(tx, 'count', number)
  })
  await waitFor(async () => (await bench.jobs()).length === 0)
  expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, number) => number))
})

test('a stop waits for the running job, and starts no other', async () => {
  const finish = Promise.withResolvers<void>()
  const states: string[] = []
  const work: Task = async () => {
    states.push('begun')
    await finish.promise
    states.push('done')
  }
  // One at a time: a second worker may be asking the database for a job at the moment of the stop,
  // and may get one.
  const queue = bench.startQueue({ tasks: { work } }, { concurrency: 1 })
  await bench.database.transaction((tx) => queue.enqueue(tx, 'work', {}))
  await waitFor(() => states.includes('begun'))
  const stopped = queue.stop().then(() => states.push('stopped'))
  await bench.database.transaction((tx) => queue.enqueue(tx, 'work', {}))
  finish.resolve()
  await stopped
  expect(states).toEqual(['begun', 'done', 'stopped'])
  expect(await bench.jobs()).toMatchObject([{ attempts: 0 }])
})

test('a job that does not end gets an abort signal, and returns to the queue when the process stops', async () => {
  let isAborted = false
  let isBegun = false
  const hang: Task = (_, { signal }) => {
    isBegun = true
    return new Promise(() => signal.addEventListener('abort', () => (isAborted = true)))
  }
  const queue = bench.startQueue({ tasks: { hang } }, { drainMs: 200 })
  await bench.database.transaction((tx) => queue.enqueue(tx, 'hang', {}))
  await waitFor(() => isBegun)
  await queue.stop()
  expect(isAborted).toBe(true)
  expect(await bench.jobs()).toMatchObject([{ attempts: 1, locked_at: null }])
})

test('the queue works again after the database was unavailable', async () => {
  const { task, seen } = recorder()
  const lines: string[] = []
  const log = createLog({ level: 'error', destination: { write: (line) => void lines.push(line) } })
  const queue = bench.startQueue({ tasks: { greet: task } }, { log })
  await bench.database.transaction((tx) => queue.enqueue(tx, 'greet', 'before'))
  await waitFor(() => seen.length > 0)

  // From another database, because a session cannot close the database that it is connected to.
  const name = (await bench.database.knex.raw('SELECT current_database() AS name')).rows[0].name
  const outside = new pg.Client({ connectionString: bench.url.replace(name, 'postgres') })
  await outside.connect()
  await outside.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`)
  await outside.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'latchkey-queue' AND datname = $1`,
    [name],
  )
  await waitFor(() => lines.some((line) => line.includes('not currently accepting connections')))
  await outside.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`)
  await outside.end()
  await bench.database.transaction((tx) => queue.enqueue(tx, 'greet', 'later'))
  await waitFor(() => seen.length === 2)
  expect(seen).toEqual(['before', 'later'])
})
