/**
 * Whether the process runs, and whether it can serve requests: for load balancers, containers and
 * supervisors.
 */
import type { Log } from '../log.ts'
import { createFailureLog } from '../log.ts'
import type { Route } from './route.ts'
import { api } from './route.ts'

/** The result of a check: whether it works, or the name of the problem. */
export type Health = boolean | 'ok' | 'away' | 'read_only' | 'refuses_writes' | 'stopping'

/**
 * The dependencies of the server by name, each with its check. A rejection means that it does not
 * work.
 */
export type HealthChecks = Readonly<Record<string, () => Promise<Health>>>

/**
 * Whether the process accepts requests: load balancers are notified before it stops accepting them.
 */
export type Readiness = { isStopping: () => boolean; state: () => Promise<Health>; stop: () => void }

export function createReadiness(): Readiness {
  let isStopping = false
  return {
    isStopping: () => isStopping,
    state: async () => (isStopping ? 'stopping' : 'ok'),
    stop: () => {
      isStopping = true
    },
  }
}

/** A check that has not answered by then has failed. */
const checkTimeoutMs = 2_000

type HealthDeps = {
  log: Pick<Log, 'warn' | 'debug'>
  checks: HealthChecks
  /** Optional dependencies: reported only in the body. An absent one is not checked. */
  spare?: Readonly<Record<string, (() => Promise<Health>) | undefined>>
}

export function healthRoutes({ log, checks, spare = {} }: HealthDeps): readonly Route[] {
  const present = Object.fromEntries(Object.entries(spare).flatMap(([name, check]) => (check ? [[name, check]] : [])))
  const [needs, extras] = [prepare(checks, log), prepare(present, log)]
  const live = api({
    method: 'GET',
    path: '/health/live',
    name: 'health.live',
    access: 'public',
    handler: (ctx) => {
      ctx.body = { status: 'live' }
    },
  })
  const ready = api({
    method: 'GET',
    path: '/health/ready',
    name: 'health.ready',
    access: 'public',
    handler: async (ctx) => {
      const [needed, others] = await Promise.all([askAll(needs), askAll(extras)])
      const isReady = needed.every(([, health]) => isWell(health))
      if (!isReady) ctx.set('Retry-After', '5')
      ctx.status = isReady ? 200 : 503
      const all = [...needed, ...others]
      const named = all.filter(([, health]) => typeof health === 'string' && health !== 'ok')
      ctx.body = {
        status: isReady ? 'ready' : 'not_ready',
        checks: Object.fromEntries(all.map(([name, health]) => [name, isWell(health)])),
        ...(named.length > 0 && { reasons: Object.fromEntries(named) }),
      }
    },
  })
  return [live, ready]
}

const isWell = (health: Health): boolean => health === true || health === 'ok'

type Prepared = readonly { name: string; check: () => Promise<Health>; failures: ReturnType<typeof createFailureLog> }[]

const prepare = (checks: HealthChecks, log: HealthDeps['log']): Prepared =>
  Object.entries(checks).map(([name, check]) => {
    const failures = createFailureLog(log, 'a health check failed', { check: name })
    return { name, check, failures }
  })

const askAll = (prepared: Prepared) => Promise.all(prepared.map(async (one) => [one.name, await inTime(one)] as const))

async function inTime({ check, failures }: Prepared[number]): Promise<Health> {
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<Health>((resolve) => {
    timer = setTimeout(() => resolve(false), checkTimeoutMs)
  })
  try {
    const health = await Promise.race([Promise.resolve().then(check), tooLate])
    failures.succeeded()
    return health
  } catch (error) {
    failures.failed(error)
    return false
  } finally {
    clearTimeout(timer)
  }
}
