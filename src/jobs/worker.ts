/**
 * One run of graphile-worker in this process, from start to end; `queue.ts` starts another one when
 * it ends too early.
 */
import { EventEmitter } from 'node:events'
import type { JobHelpers, WorkerEvents, WorkerPool } from 'graphile-worker'
import { runTaskList } from 'graphile-worker'
import type pg from 'pg'
import type { Log } from '../log.ts'
import { createFailureLog } from '../log.ts'
import { releaseAbandonedJobs, showPresence } from './abandoned-jobs.ts'
import { createQueuePool, queueLogger, queueSchema } from './connection.ts'
import { enqueueNextRun, toRepeatingTask } from './duty-schedule.ts'
import { isQueueSchemaCurrent } from './migrate.ts'
import type { ScheduledTask, Task } from './queue.ts'

type Options = {
  url: string
  log: Log
  concurrency: number
  drainMs: number
  pollMs: number
  tasks: Readonly<Record<string, Task>>
  duties: readonly ScheduledTask[]
  stopping: AbortSignal
}

const abandonedEveryMs = 30_000

/**
 * Works until `stopping` aborts and the running jobs have ended. Throws when the database is
 * unavailable or not migrated, or the worker gave up.
 */
export async function runWorker(options: Options): Promise<void> {
  const { url, log, concurrency, drainMs, pollMs, tasks, duties, stopping } = options
  // A running job uses no connection of this pool.
  const pool = createQueuePool({ url, log, size: Math.min(concurrency, 2) + 2 })
  let rescue: NodeJS.Timeout | undefined
  try {
    if (!(await isQueueSchemaCurrent(pool))) throw new Error('the tables of the job queue are not migrated')
    for (const duty of duties) await enqueueNextRun(pool, duty, 'preserve_run_at')
    const events = new EventEmitter() as WorkerEvents
    showPresence(events, log)
    // `run` would migrate by itself, and after a clock jump its crontab goes through every minute.
    // Instead, each duty is a job that enqueues its next run.
    const taskList = {
      ...Object.fromEntries(Object.entries(tasks).map(([name, task]) => [name, toGraphileTask(task)])),
      ...Object.fromEntries(duties.map((duty) => [duty.name, toGraphileTask(toRepeatingTask(pool, duty, log))])),
    }
    const settings = {
      schema: queueSchema,
      logger: queueLogger(log),
      events,
      concurrency,
      pollInterval: pollMs,
      noHandleSignals: true, // main.ts decides in which order the process stops
      gracefulShutdownAbortTimeout: drainMs / 2,
      // A delay of 0 turns on batches, which repeat a failed report of a finished job. Without
      // batches, a failed report ends the process.
      preset: { worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
    }
    const worker = runTaskList(settings, taskList, pool)
    const looking = createFailureLog(log, 'abandoned jobs could not be looked for')
    rescue = setInterval(() => void rescueJobs({ pool, log, looking }), abandonedEveryMs)
    await untilEnd(worker, stopping, drainMs)
  } finally {
    clearInterval(rescue)
    await pool.end()
  }
}

const toGraphileTask =
  (task: Task) =>
  (payload: unknown, { job, abortSignal }: JobHelpers) =>
    task(payload, { attempt: job.attempts, maxAttempts: job.max_attempts, signal: abortSignal })

type Rescue = { pool: pg.Pool; log: Log; looking: ReturnType<typeof createFailureLog> }

async function rescueJobs({ pool, log, looking }: Rescue): Promise<void> {
  try {
    const workers = await releaseAbandonedJobs(pool)
    if (workers > 0) log.warn({ workers }, 'jobs of terminated processes are retried')
    looking.succeeded()
  } catch (error) {
    looking.failed(error)
  }
}

async function untilEnd(worker: WorkerPool, stopping: AbortSignal, drainMs: number): Promise<void> {
  let forced: NodeJS.Timeout | undefined
  // A failed shutdown also rejects `worker.promise` below, so its own rejection is ignored.
  const stop = () => {
    forced = setTimeout(() => void Promise.resolve(worker.forcefulShutdown('the process stops')).catch(ignore), drainMs)
    Promise.resolve(worker.gracefulShutdown('the process stops')).catch(ignore)
  }
  stopping.addEventListener('abort', stop, { once: true })
  if (stopping.aborted) stop()
  try {
    await worker.promise
  } finally {
    stopping.removeEventListener('abort', stop)
    clearTimeout(forced)
  }
  if (!stopping.aborted) throw new Error('the worker gave up')
}

const ignore = () => undefined
