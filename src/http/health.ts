/**
 * Whether the process runs, and whether it can serve requests: for load balancers, containers and
 * supervisors.
 */
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
  checks: HealthChecks
  /** Optional dependencies: reported only in the body. An absent one is not checked. */
  spare?: Readonly<Record<string, (() => Promise<Health>) | undefined>>
}

export function healthRoutes({ checks, spare = {} }: HealthDeps): readonly Route[] {
  const present = Object.entries(spare).flatMap(([name, check]) => (check ? [[name, check] as const] : []))
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
      const [needed, others] = await Promise.all([askAll(checks), askAll(Object.fromEntries(present))])
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

const askAll = (checks: HealthChecks) =>
  Promise.all(Object.entries(checks).map(async ([name, check]) => [name, await inTime(check)] as const))

async function inTime(check: () => Promise<Health>): Promise<Health> {
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<Health>((resolve) => {
    timer = setTimeout(() => resolve(false), checkTimeoutMs)
  })
  try {
    return await Promise.race([Promise.resolve().then(check), tooLate])
  } catch {
    return false
  } finally {
    clearTimeout(timer)
  }
}
