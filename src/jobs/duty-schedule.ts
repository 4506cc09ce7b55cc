/**
 * The schedule of periodic duties: each is a job that enqueues its next run. One process of the
 * cluster runs it at a time.
 */
import type pg from 'pg'
import type { Log } from '../log.ts'
import { queueSchema } from './connection.ts'
import type { ScheduledTask, Task } from './queue.ts'

/** A duty never fails as a job: its failure is logged, and the next run is scheduled as usual. */
export const toRepeatingTask =
  (pool: pg.Pool, duty: ScheduledTask, log: Log): Task =>
  async (_, { signal }) => {
    try {
      await duty.run(signal)
    } catch (error) {
      log.error({ err: error, duty: duty.name }, 'a periodic duty failed; it is retried at its next time')
    }
    await enqueueNextRun(pool, duty, 'replace')
  }

/**
 * Enqueues the next run of a duty. Its key allows one next run in the cluster; its queue name
 * prevents two runs at once.
 */
export async function enqueueNextRun(
  pool: pg.Pool,
  { name, everySeconds }: ScheduledTask,
  mode: 'replace' | 'preserve_run_at',
) {
  await pool.query(
    `SELECT FROM ${queueSchema}.add_job(identifier => $1, queue_name => $1, job_key => $1, job_key_mode => $2,
       run_at => now() + make_interval(secs => $3))`,
    [name, mode, everySeconds],
  )
}
