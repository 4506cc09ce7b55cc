/** Periodic duties: once in the cluster, again and again, and each of the list. */
import { bindDuties, duties } from '../../src/jobs/index.ts'
import { createTestClock } from '../support/clock.ts'
import { waitFor } from '../support/wait.ts'
import { createQueueBench } from './started-queue.ts'

let bench: Awaited<ReturnType<typeof createQueueBench>>
beforeEach(async () => {
  bench = await createQueueBench()
})
afterEach(() => bench.close())

test('a duty stands in the queue once, however many processes start, and runs in one of them', async () => {
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

test('a duty that fails has its next turn all the same', async () => {
  let runs = 0
  const run = async () => {
    runs += 1
    throw new Error('not today')
  }
  bench.startQueue({ duties: [{ name: 'tidy', everySeconds: 3600, run }] })
  for (const turn of [1, 2, 3]) {
    await waitFor(async () => (await bench.jobs()).length > 0)
    await bench.makeDue()
    await waitFor(() => runs === turn)
    await waitFor(async () => (await bench.jobs()).every((job) => !job.locked_at))
  }
  expect(await bench.jobs()).toMatchObject([{ key: 'tidy', attempts: 0 }])
})

const deps = (sweep: (limit: number) => Promise<number>) => {
  const clock = createTestClock()
  const rotation = { turn: async () => [] }
  const logout = { sweep: async () => 0, wakeOverdue: async () => {} }
  const links = { sweep: async () => 0 }
  const loginSteps = { sweep: async () => 0 }
  const deps = {
    artifacts: { sweep, trimSpent: async () => 0, removeLeftovers: async () => {} },
    logout,
    links,
    limits: { sweep: async () => 0 },
    loginSteps,
    sessions: { sweep: async () => 0 },
    guesses: { sweep: async () => 0 },
    captcha: { sweep: async () => 0 },
    passkeys: { sweep: async () => 0 },
    leaving: { deleteDue: async () => 0 },
    factorResets: { sendDue: async () => 0, sweep: async () => 0 },
    mailboxes: { run: async () => 0 },
    rotation,
    knex: bench.database.knex,
    clock,
    log: bench.log,
  }
  return { clock, deps }
}
const signal = new AbortController().signal
const dutyNamed = (name: string) => duties.find((duty) => duty.name === name)

test('expired rows are swept in batches until none is left', async () => {
  let rows = 1_234
  const batches: number[] = []
  const sweep = async (limit: number) => {
    const swept = Math.min(limit, rows)
    rows -= swept
    batches.push(swept)
    return swept
  }
  await dutyNamed('sweep-artifacts')?.run(deps(sweep).deps, signal)
  expect(rows).toBe(0)
  expect(batches).toEqual([500, 500, 234])
})

test('a sweep that never ends leaves the rest to its next turn', async () => {
  let batches = 0
  const endless = deps(async (limit) => {
    batches += 1
    endless.clock.advance(5_000)
    return limit
  })
  await dutyNamed('sweep-artifacts')?.run(endless.deps, signal)
  expect(batches).toBe(4)
})

test('jobs that were given up leave after a month, and no others', async () => {
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
  await dutyNamed('forget-failed-jobs')?.run(deps(async () => 0).deps, signal)
  const { rows } = await knex.raw('SELECT payload FROM graphile_worker._private_jobs ORDER BY id')
  expect(rows.map((row: { payload: string }) => row.payload)).toEqual(['recent', 'waiting'])
})

test('every duty of the list runs in the queue', async () => {
  let isSwept = false
  const sweep = async () => {
    isSwept = true
    return 0
  }
  bench.startQueue({ duties: bindDuties(deps(sweep).deps) })
  await waitFor(async () => (await bench.jobs()).length === duties.length)
  await bench.makeDue()
  await waitFor(() => isSwept)
  await waitFor(async () => (await bench.jobs()).every((job) => !job.is_due))
  expect((await bench.jobs()).map((job) => job.key).sort()).toEqual(duties.map((duty) => duty.name).sort())
})
