/** The queue: jobs that enlist in the transaction of a change, run at least once by one process at a time (graphile-worker). */
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
  /** Aborted when the process stops and the task has had half of the time for that. */
  signal: AbortSignal
}
/** Runs a job. Throwing makes the queue try again: after e^attempt seconds, six hours at most. */
export type Task = (payload: unknown, context: TaskContext) => Promise<void>

/** A task that the queue itself makes due; one process of the cluster runs it. */
export type ScheduledTask = {
  name: string
  /** From the end of one run to the next. */
  everySeconds: number
  run: (signal: AbortSignal) => Promise<void>
}

export type EnqueueOptions = {
  /** Milliseconds since the epoch; at once when absent. */
  runAtMs?: number
  /** Instead: so many milliseconds from now, by the queue's own time. */
  delayMs?: number
  /** A waiting job with the same key is replaced instead of joined by a second one. */
  key?: string
  /** Jobs of the same lane run one after the other. */
  lane?: string
  /** How often the task is tried before it is left for an operator (25 when absent: about three days). */
  maxAttempts?: number | undefined
  /** An insert that has not been sent. It is run by the statement that adds the job. */
  alongside?: Knex.QueryBuilder | undefined
}
export type Enqueue = (tx: Knex, task: string, payload: unknown, options?: EnqueueOptions) => Promise<void>

export type QueueWork = {
  tasks: Readonly<Record<string, Task>>
  /** Tasks that wait for machines of others: they have workers of their own, so that a slow one keeps no other task waiting. */
  outsideTasks?: Readonly<Record<string, Task>>
  duties: readonly ScheduledTask[]
}

export type Queue = {
  /** Adds a job in the transaction of the change: it exists if and only if the change does. Workers wake at its commit. */
  enqueue: Enqueue
  /** Begins to work in this process. Returns at once; while the database is away it keeps trying. */
  start: (work: QueueWork) => void
  /** Takes no more jobs, waits for the running ones, and gives back to the queue what is not done in time. */
  stop: () => Promise<void>
}

type Deps = {
  /** A direct connection (no transaction pooler in between): the queue listens. */
  url: string
  log: Log
  metrics: Metrics
  /** Jobs at once in this process, and besides them jobs that go outside. */
  concurrency?: number
  outsideConcurrency?: number
  /** How long `stop` waits for running jobs, in milliseconds. */
  drainMs?: number
  /** How often jobs that became due are looked for, in milliseconds; new jobs announce themselves (NOTIFY). */
  pollMs?: number
}

const addJob = `SELECT FROM ${queueSchema}.add_job(identifier => ?, payload => ?::json,
  run_at => coalesce(?::timestamptz, now() + make_interval(secs => ?)), job_key => ?, queue_name => ?, max_attempts => ?)`

const restartDelaysMs = [500, 1_000, 2_000, 5_000, 10_000] as const

/** The queue of one process. It connects at `start`; `enqueue` speaks only through the transaction it is given. */
export function createQueue(deps: Deps): Queue {
  const { url, log, metrics, concurrency = 2, outsideConcurrency = 8, drainMs = 10_000, pollMs = 2_000 } = deps
  const measured = createMeasure(metrics)
  const measuredTask =
    (name: string, task: Task): Task =>
    (payload, context) =>
      measured(name, () => task(payload, context), context.attempt >= context.maxAttempts)
  const stopping = new AbortController()
  let supervision: Promise<unknown> | undefined

  /** graphile-worker gives up after minutes without a database; we begin again until we are told to stop. */
  async function supervise({ tasks, duties }: QueueWork, atOnce: number): Promise<void> {
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
        await runWorker({ url, log, concurrency: atOnce, drainMs, pollMs, ...work, stopping: stopping.signal })
      } catch (error) {
        log.error({ err: error }, 'the job queue stopped and begins again')
      }
      if (performance.now() - began > 60_000) failures = 0
      // Rejects when it is told to stop meanwhile, which the loop sees by itself.
      await delay(restartDelaysMs[Math.min(failures, restartDelaysMs.length - 1)], undefined, {
        signal: stopping.signal,
      }).catch(() => undefined)
    }
  }

  return {
    async enqueue(tx, task, payload, { runAtMs, delayMs, key, lane, maxAttempts, alongside: onHeartbeat } = {}) {
      const values = [
        task,
        JSON.stringify(payload),
        runAtMs === undefined ? null : new Date(runAtMs),
        (delayMs ?? 0) / 1000,
        key ?? null,
        lane ?? null,
        maxAttempts ?? null,
      ]
      // A CTE that writes is run to its end, also when nothing reads it.
      await (onHeartbeat ? tx.raw(`WITH alongside AS (?) ${addJob}`, [onHeartbeat, ...values]) : tx.raw(addJob, values))
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

/** Counts and times what runs; a task and a duty look the same here. */
function createMeasure(
  metrics: Metrics,
): (name: string, run: () => Promise<void>, isLastAttempt?: boolean) => Promise<void> {
  const registers = [metrics]
  const outcomes = new Counter({
    name: 'latchkey_jobs_total',
    help: 'Jobs that ran, by task and outcome: success, failure (tried again later), given-up',
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
