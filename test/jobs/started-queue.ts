/** A queue on a database of its own, with everything that ends it; and waiting for what it does. */

import { migrateQueue } from '../../src/jobs/migrate.ts'
import type { Queue, QueueWork } from '../../src/jobs/queue.ts'
import { createQueue } from '../../src/jobs/queue.ts'
import { createLog } from '../../src/log.ts'
import { createMetrics } from '../../src/metrics.ts'
import { createTestDatabase } from '../support/database.ts'

const log = createLog({ level: 'silent' })

export async function createQueueBench() {
  const { url, database, close } = await createTestDatabase()
  await migrateQueue({ url, log })
  const queues: Queue[] = []
  return {
    url,
    log,
    database,
    /** One more process' worth of queue on this database. */
    startQueue: (work: Partial<QueueWork>, options: { drainMs?: number } = {}): Queue => {
      const queue = createQueue({ url, log, metrics: createMetrics(), pollMs: 50, drainMs: 5_000, ...options })
      queues.push(queue)
      queue.start({ tasks: {}, duties: [], ...work })
      return queue
    },
    /** Makes every waiting job due: the queue keeps its own time, which a test cannot move. */
    makeDue: () =>
      database.knex.raw(
        `UPDATE graphile_worker._private_jobs SET run_at = now() - interval '1 second' WHERE locked_at IS NULL`,
      ),
    jobs: async (): Promise<Record<string, unknown>[]> =>
      (await database.knex.raw(`SELECT * FROM graphile_worker.jobs`)).rows,
    close: async () => {
      await Promise.all(queues.map((queue) => queue.stop()))
      await close()
    },
  }
}

/** Waits until `condition` gives something true, and gives that; fails after ten seconds. */
export async function until<T>(condition: () => Promise<T> | T): Promise<NonNullable<T>> {
  const deadline = performance.now() + 10_000
  for (;;) {
    const value = await condition()
    if (value) return value
    if (performance.now() > deadline) throw new Error(`never became true: ${condition}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
