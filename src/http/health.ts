/** Whether the process lives, and whether it can work: for load balancers, containers and supervisors. */
import type { Route } from './route.ts'
import { api } from './route.ts'

/** What a check may answer: whether it is there, or the name of what is wrong with it. */
export type Health = boolean | 'ok' | 'away' | 'read_only' | 'refuses_writes' | 'stopping'

/** Names of what the server needs, each with the question how it is. A rejection is a no. */
export type HealthChecks = Readonly<Record<string, () => Promise<Health>>>

/** Whether the process goes on taking requests: a balancer is told before the last one is taken. */
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

/** A check that has not answered by then counts as a no. */
const checkTimeoutMs = 2_000

type HealthDeps = {
  checks: HealthChecks
  /** What the server can do without: told in the body alone. An absent one is not asked. */
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
