/** Periodic duties: one process of the cluster runs each of them, again and again. */
import { batchDuty } from '../../src/jobs/duty.ts'
import { createFailedJobCleanup } from '../../src/jobs/failed-jobs.ts'
import { artifactDuties } from '../../src/revocation/duties.ts'
import { createTestClock } from '../support/clock.ts'
import { startLatchkey } from '../support/latchkey.ts'
import { waitFor } from '../support/wait.ts'
import { createQueueBench } from './started-queue.ts'

let bench: Awaited<ReturnType<typeof createQueueBench>>
beforeEach(async () => {
  bench = await createQueueBench()
})
afterEach(() => bench.close())

test('a duty is queued once by all processes, and runs in one of them', async () => {
  let runs = 0
  const duty = { name: 'tidy', everySeconds: 3600, run: async () => void runs++ }
  bench.startQueue({ duties: [duty] })
  bench.startQueue({ duties: [duty] })
  await waitFor(async () => (await bench.jobs()).length > 0)
  await bench.makeDue()
  await waitFor(async () => runs === 1 && (await bench.jobs()).every((job) => !job.locked_at))
  bench.startQueue({ duties: [duty] })
  const next = await waitFor(async () => (await bench.jobs()).find((job) => job.key === 'tidy'))
  expect(await bench.jobs()).toHaveLength(1)
  expect(next.is_due).toBe(false)
  expect(runs).toBe(1)
})

test('a failed duty runs again at its next time', async () => {
  let runs = 0
  const run = async () => {
    runs += 1
    throw new Error('not today')
  }
  bench.startQueue({ duties: [{ name: 'tidy', everySeconds: 3600, run }] })
  for (const advance of [1, 2, 3]) {
    await waitFor(async () => (await bench.jobs()).length > 0)
    await bench.makeDue()
    await waitFor(() => runs === advance)
    await waitFor(async () => (await bench.jobs()).every((job) => !job.locked_at))
  }
  expect(await bench.jobs()).toMatchObject([{ key: 'tidy', attempts: 0 }])
})

function sweepDuty(sweep: (limit: number) => Promise<number>) {
  const clock = createTestClock()
  const artifacts = { sweep, trimSpent: async () => 0, removeLeftovers: async () => {} }
  const duty = artifactDuties({ artifacts, clock, log: bench.log }).find(({ name }) => name === 'sweep-artifacts')
  return { clock, run: () => duty!.run(signal) }
}
const signal = new AbortController().signal

test('a batch duty repeats until a batch is empty or the process stops', async () => {
  const [batches, stopping] = [[3, 2, 0], new AbortController()]
  await batchDuty('tidy', 60, async () => batches.shift() ?? 0).run(signal)
  expect(batches).toEqual([])
  let done = 0
  await batchDuty('tidy', 60, async () => {
    done += 1
    if (done === 2) stopping.abort()
    return 1
  }).run(stopping.signal)
  expect(done).toBe(2)
})

test('the sweep removes expired rows in batches until none remains', async () => {
  let rows = 1_234
  const batches: number[] = []
  const sweep = async (limit: number) => {
    const swept = Math.min(limit, rows)
    rows -= swept
    batches.push(swept)
    return swept
  }
  await sweepDuty(sweep).run()
  expect(rows).toBe(0)
  expect(batches).toEqual([500, 500, 234])
})

test('a sweep that never ends leaves the rest to its next run', async () => {
  let batches = 0
  const endless = sweepDuty(async (limit) => {
    batches += 1
    endless.clock.advance(5_000)
    return limit
  })
  await endless.run()
  expect(batches).toBe(4)
})

test('failed jobs are removed after a month, and no others', async () => {
  const { knex } = bench.database
  const queue = bench.startQueue({})
  await bench.database.transaction(async (tx) => {
    for (const payload of ['forgotten', 'recent', 'waiting'])
      await queue.enqueue(tx, 'lost', payload, { maxAttempts: 1 })
  })
  const age = (payload: string, days: number, attempts: number) =>
    knex.raw(
      `UPDATE graphile_worker._private_jobs SET attempts = ?, updated_at = now() - make_interval(days => ?) WHERE payload::text = ?`,
      [attempts, days, JSON.stringify(payload)],
    )
  await age('forgotten', 31, 1)
  await age('recent', 29, 1)
  await age('waiting', 31, 0)
  await createFailedJobCleanup(knex).run(signal)
  const { rows } = await knex.raw('SELECT payload FROM graphile_worker._private_jobs ORDER BY id')
  expect(rows.map((row: { payload: string }) => row.payload)).toEqual(['recent', 'waiting'])
})

test('a server queues every duty of its features', async () => {
  const server = await startLatchkey()
  try {
    const names = server.parts.duties.map(({ name }) => name).sort()
    expect(names).toEqual([
      'delete-accounts',
      'forget-failed-jobs',
      'send-factor-resets',
      'settle-mailboxes',
      'sweep-artifacts',
      'sweep-captchas',
      'sweep-ended-leftovers',
      'sweep-guesses',
      'sweep-limits',
      'sweep-links',
      'sweep-logins',
      'sweep-logout-deliveries',
      'sweep-sessions',
      'turn-key-ring',
    ])
    const waiting = () => server.database.knex('graphile_worker.jobs').whereIn('key', names).orderBy('key').pluck('key')
    await waitFor(async () => (await waiting()).length >= names.length)
    expect(await waiting()).toEqual(names)
  } finally {
    await server.stop()
  }
})
