/**
 * The queue: jobs are added in the transaction of a change, and run at least once, by one process
 * at a time (graphile-worker).
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Knex } from 'knex'
import { Counter, Histogram } from 'prom-client'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { queueSchema } from './connection.ts'
import { runWorker } from './worker.ts'

export type TaskContext = {
  /** 1 on the first run. */
  attempt: number
  maxAttempts: number
  /** Aborted when half of `drainMs` has passed since the process began to stop. */
  signal: AbortSignal
}
/** Runs a job. After an error the queue tries again: after e^attempt seconds, at most six hours. */
export type Task = (payload: unknown, context: TaskContext) => Promise<void>

/** A task that the queue starts periodically; one process of the cluster runs it. */
export type ScheduledTask = {
  name: string
  /** From the end of one run to the start of the next. */
  everySeconds: number
  run: (signal: AbortSignal) => Promise<void>
}

export type EnqueueOptions = {
  /** Milliseconds since the epoch; default: at once. */
  runAtMs?: number
  /** Alternatively the delay in milliseconds, by the queue's own clock. */
  delayMs?: number
  /** A new job replaces a waiting job with the same key. */
  key?: string
  /** Jobs of the same lane run one after the other. */
  lane?: string
  /**
   * How often the task is tried before an administrator must act (default 25: about three days).
   */
  maxAttempts?: number | undefined
  /** An unsent insert, which becomes part of the statement that adds the job. */
  alongside?: Knex.QueryBuilder | undefined
}
export type Enqueue = (tx: Knex, task: string, payload: unknown, options?: EnqueueOptions) => Promise<void>

export type QueueWork = {
  tasks: Readonly<Record<string, Task>>
  /**
   * Tasks that wait for other servers: they have their own workers, so that a slow one delays no
   * other task.
   */
  outsideTasks?: Readonly<Record<string, Task>>
  duties: readonly ScheduledTask[]
}

export type Queue = {
  /**
   * Adds a job in the transaction of the change: it exists if and only if the change does. Workers
   * start it after the commit.
   */
  enqueue: Enqueue
  /** Starts to work in this process. Returns at once; retries while the database is unavailable. */
  start: (work: QueueWork) => void
  /** Takes no more jobs, waits for the running ones, and returns unfinished ones to the queue. */
  stop: () => Promise<void>
}

type Deps = {
  /** A direct connection (no transaction pooler), because the queue listens. */
  url: string
  log: Log
  metrics: Metrics
  /** Parallel jobs in this process, and additional ones that wait for other servers. */
  concurrency?: number
  outsideConcurrency?: number
  /** How long `stop` waits for running jobs, in milliseconds. */
  drainMs?: number
  /** How often due jobs are searched, in milliseconds; new jobs are announced with NOTIFY. */
  pollMs?: number
}

const addJob = `SELECT FROM ${queueSchema}.add_job(identifier => ?, payload => ?::json,
  run_at => coalesce(?::timestamptz, now() + make_interval(secs => ?)), job_key => ?, queue_name => ?, max_attempts => ?)`

const restartDelaysMs = [500, 1_000, 2_000, 5_000, 10_000] as const

/** The queue of one process. It connects at `start`; `enqueue` uses only its transaction. */
export function createQueue(deps: Deps): Queue {
  const { url, log, metrics, concurrency = 2, outsideConcurrency = 8, drainMs = 10_000, pollMs = 2_000 } = deps
  const measured = createMeasure(metrics)
  const measuredTask =
    (name: string, task: Task): Task =>
    (payload, context) =>
      measured(name, () => task(payload, context), context.attempt >= context.maxAttempts)
  const stopping = new AbortController()
  let supervision: Promise<unknown> | undefined

  /**
   * graphile-worker gives up after minutes without a database. This loop restarts it until `stop`
   * is called.
   */
  async function supervise({ tasks, duties }: QueueWork, concurrentJobs: number): Promise<void> {
    const work = {
      tasks: Object.fromEntries(Object.entries(tasks).map(([name, task]) => [name, measuredTask(name, task)])),
      duties: duties.map((duty) => ({
        ...duty,
        run: (signal: AbortSignal) => measured(duty.name, () => duty.run(signal)),
      })),
    }
    for (let failures = 0; !stopping.signal.aborted; failures += 1) {
      const began = performance.now()
      try {
        await runWorker({ url, log, concurrency: concurrentJobs, drainMs, pollMs, ...work, stopping: stopping.signal })
      } catch (error) {
        log.error({ err: error }, 'the job queue stopped and is restarted')
      }
      if (performance.now() - began > 60_000) failures = 0
      // Rejects when `stop` is called meanwhile, which the loop checks itself.
      await delay(restartDelaysMs[Math.min(failures, restartDelaysMs.length - 1)], undefined, {
        signal: stopping.signal,
      }).catch(() => undefined) // `stop` ended the wait
    }
  }

  return {
    async enqueue(tx, task, payload, { runAtMs, delayMs, key, lane, maxAttempts, alongside } = {}) {
      const values = [
        task,
        JSON.stringify(payload),
        runAtMs === undefined ? null : new Date(runAtMs),
        (delayMs ?? 0) / 1000,
        key ?? null,
        lane ?? null,
        maxAttempts ?? null,
      ]
      // Postgres always completes a CTE that writes, also when its result is not read.
      await (alongside ? tx.raw(`WITH alongside AS (?) ${addJob}`, [alongside, ...values]) : tx.raw(addJob, values))
    },
    start(work) {
      const { outsideTasks = {} } = work
      const lanes = [supervise(work, concurrency)]
      if (Object.keys(outsideTasks).length > 0)
        lanes.push(supervise({ tasks: outsideTasks, duties: [] }, outsideConcurrency))
      supervision ??= Promise.all(lanes)
    },
    async stop() {
      stopping.abort()
      await supervision
    },
  }
}

/** Counts and times tasks and duties in the same way. */
function createMeasure(
  metrics: Metrics,
): (name: string, run: () => Promise<void>, isLastAttempt?: boolean) => Promise<void> {
  const registers = [metrics]
  const outcomes = new Counter({
    name: 'latchkey_jobs_total',
    help: 'Jobs that ran, by task and outcome: success, failure (retried later), given-up',
    labelNames: ['task', 'outcome'],
    registers,
  })
  const seconds = new Histogram({
    name: 'latchkey_job_seconds',
    help: 'How long jobs ran, by task',
    labelNames: ['task'],
    registers,
  })
  return async (name, run, isLastAttempt = false) => {
    const endTimer = seconds.startTimer({ task: name })
    try {
      await run()
      outcomes.inc({ task: name, outcome: 'success' })
    } catch (error) {
      outcomes.inc({ task: name, outcome: isLastAttempt ? 'given-up' : 'failure' })
      throw error
    } finally {
      endTimer()
    }
  }
}
