/**
 * The load generator, in its own process: runs the measurements that the main process of the bench
 * sends over IPC, one at a time.
 */
import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Endpoints } from './authorize.ts'
import { createBrowser } from './browser.ts'
import type { Flow, Worker } from './flows.ts'
import { flows } from './flows.ts'
import { personOf } from './people.ts'

/**
 * Runs `flow` with `concurrency` workers against `issuer` for `seconds`. Without a flow, every
 * worker logs in.
 */
export type Order = {
  issuer: string
  concurrency: number
  seconds: number
  flow?: string
  /**
   * Each worker uses its own account of this group of imported accounts; without it, all use the
   * account of the seed.
   */
  group?: string
  /**
   * The least time between two flows of a worker, in milliseconds; without it, a flow starts when
   * the previous one ends.
   */
  everyMs?: number
}

export type Load = {
  /** Milliseconds of each request. */
  latencies: number[]
  /** Completed flows; a flow may be several requests. */
  operations: number
  elapsedSeconds: number
  /** Workers that stopped at a wrong answer, and the first of these answers. */
  failures: number
  firstFailure: string | undefined
  /**
   * The share of the time in which this process was busy. Near 1, the generator itself is measured.
   */
  utilization: number
}

export type Reply = { ready: true } | { prepared: true } | { load: Load } | { failure: string }

type Crew = { workers: Worker[]; agent: Agent }

const crews = new Map<string, Crew>()

async function hire({ issuer, concurrency, group }: Order): Promise<Worker[]> {
  const known = crews.get(issuer)
  // These connections may have reached the server's idle limit: it closes them while we write.
  known?.agent.destroy()
  if (known) return known.workers
  const metadata = (await (await fetch(`${issuer}/.well-known/openid-configuration`)).json()) as Endpoints
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency, scheduling: 'fifo' })
  const workers = Array.from({ length: concurrency }, (_, index) => ({
    browser: createBrowser(issuer, agent),
    endpoints: metadata,
    ...(group !== undefined && { credentials: personOf(group, index) }),
  }))
  crews.set(issuer, { workers, agent })
  return workers
}

/**
 * Runs all workers until the time is over. Each finishes its current flow, and the elapsed time
 * includes that.
 */
async function work(crew: Worker[], flow: Flow, seconds: number, everyMs: number): Promise<Load> {
  for (const { browser } of crew) browser.takeLatencies()
  const begunAt = performance.now()
  const begun = performance.eventLoopUtilization()
  let operations = 0
  const failures: string[] = []
  await Promise.all(
    crew.map(async (worker, index) => {
      // Spread out, so that paced workers do not start at once.
      let dueAt = begunAt + (everyMs * index) / crew.length
      while (performance.now() - begunAt < seconds * 1000) {
        const earlyMs = dueAt - performance.now()
        if (earlyMs > 0) await sleep(earlyMs)
        dueAt += everyMs
        try {
          await flow.run(worker)
        } catch (error) {
          return void failures.push(describe(error as Error))
        }
        operations += 1
      }
    }),
  )
  const elapsedSeconds = (performance.now() - begunAt) / 1000
  const { utilization } = performance.eventLoopUtilization(begun)
  const latencies = crew.flatMap(({ browser }) => browser.takeLatencies())
  return { latencies, operations, elapsedSeconds, failures: failures.length, firstFailure: failures[0], utilization }
}

const describe = (error: Error): string => `${error.message}${error.cause ? ` (${error.cause})` : ''}`

let prepared: { crew: Worker[]; flow: Flow; seconds: number; everyMs: number } | undefined

async function obey(order: Order | 'go'): Promise<Reply> {
  if (order === 'go') {
    if (!prepared) throw new Error('nothing is prepared')
    return { load: await work(prepared.crew, prepared.flow, prepared.seconds, prepared.everyMs) }
  }
  const crew = await hire(order)
  const flow = flows.find(({ name }) => name === order.flow)
  // One after another, because a login hashes a password, and the hash queue is bounded.
  const prepare = flow ? flow.prepare : flows.find(({ name }) => name === 'userinfo')?.prepare
  for (const worker of prepare ? crew : []) await prepare!(worker)
  prepared = flow && { crew, flow, seconds: order.seconds, everyMs: order.everyMs ?? 0 }
  return { prepared: true }
}

process.on('message', (order: Order | 'go') => {
  obey(order).then(
    (reply) => process.send?.(reply),
    (error: Error) => process.send?.({ failure: describe(error) }),
  )
})
process.on('disconnect', () => process.exit())
process.send?.({ ready: true })
