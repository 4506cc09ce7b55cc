/**
 * Queues on their own database, as many as a test needs processes, with the function that ends
 * them.
 */

import { migrateQueue } from '../../src/jobs/migrate.ts'
import type { Queue, QueueWork } from '../../src/jobs/queue.ts'
import { createQueue } from '../../src/jobs/queue.ts'
import type { Log } from '../../src/log.ts'
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
    /** The queue of one more process on this database. */
    startQueue: (
      work: Partial<QueueWork>,
      options: { concurrency?: number; drainMs?: number; log?: Log } = {},
    ): Queue => {
      const queue = createQueue({ url, log, metrics: createMetrics(), pollMs: 50, drainMs: 5_000, ...options })
      queues.push(queue)
      queue.start({ tasks: {}, duties: [], ...work })
      return queue
    },
    /** Makes every waiting job due: the queue has its own clock, which a test cannot move. */
    makeDue: () =>
      database.knex.raw(
        `UPDATE graphile_worker._private_jobs SET run_at = now() - interval '1 second' WHERE locked_at IS NULL`,
      ),
    /** The jobs in the queue; `is_due` by the queue's own clock. */
    jobs: async (): Promise<Record<string, unknown>[]> =>
      (await database.knex.raw(`SELECT *, run_at <= now() AS is_due FROM graphile_worker.jobs ORDER BY id`)).rows,
    close: async () => {
      await Promise.all(queues.map((queue) => queue.stop()))
      await close()
    },
  }
}
