/**
 * kill -9 in the middle of a job: another process runs it again, but not while the first one runs.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { releaseAbandonedJobs } from '../../src/jobs/abandoned-jobs.ts'
import { createQueue } from '../../src/jobs/queue.ts'
import { createMetrics } from '../../src/metrics.ts'
import { waitFor } from '../support/wait.ts'
import { createQueueBench } from './started-queue.ts'

test('a job of a killed process runs in another process after the kill, and not before', async () => {
  const bench = await createQueueBench()
  const { url, log, database } = bench
  const doomed = spawn(process.execPath, [fileURLToPath(import.meta.resolve('./doomed-worker.ts')), url], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const outside = createQueue({ url, log, metrics: createMetrics() })
    await database.transaction((tx) => outside.enqueue(tx, 'deliver', 'a letter'))
    await once(doomed.stdout, 'data')
    await database.knex.raw(`UPDATE graphile_worker._private_jobs SET locked_at = now() - interval '1 minute'`)
    expect(await releaseAbandonedJobs(database.pool)).toBe(0)

    const gone = once(doomed, 'exit')
    doomed.kill('SIGKILL')
    await gone
    // Postgres takes a moment to notice that the connection with the lock is closed.
    await waitFor(async () => (await releaseAbandonedJobs(database.pool)) === 1)
    const seen: unknown[] = []
    bench.startQueue({ tasks: { deliver: async (payload, { attempt }) => void seen.push([payload, attempt]) } })
    await waitFor(() => seen.length > 0)
    expect(seen).toEqual([['a letter', 2]])
  } finally {
    doomed.kill('SIGKILL')
    await bench.close()
  }
})
