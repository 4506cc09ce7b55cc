/** Whether the process lives, and whether it can work: for load balancers, containers and supervisors. */
import type { Route } from './route.ts'
import { defineRoute } from './route.ts'

/** Names of what the server needs, each with the question whether it is there. A rejection is a no. */
export type HealthChecks = Readonly<Record<string, () => Promise<boolean>>>

/** A check that has not answered by then counts as a no. */
const checkTimeoutMs = 2_000

export function healthRoutes({ checks }: { checks: HealthChecks }): readonly Route[] {
  const live = defineRoute({
    kind: 'json',
    method: 'GET',
    path: '/health/live',
    name: 'health.live',
    permission: 'public',
    handler: (ctx) => {
      ctx.body = { status: 'live' }
    },
  })
  const ready = defineRoute({
    kind: 'json',
    method: 'GET',
    path: '/health/ready',
    name: 'health.ready',
    permission: 'public',
    handler: async (ctx) => {
      const entries = Object.entries(checks).map(async ([name, check]) => [name, await inTime(check)] as const)
      const results = await Promise.all(entries)
      const isReady = results.every(([, isThere]) => isThere)
      if (!isReady) ctx.set('Retry-After', '5')
      ctx.status = isReady ? 200 : 503
      ctx.body = { status: isReady ? 'ready' : 'not_ready', checks: Object.fromEntries(results) }
    },
  })
  return [live, ready]
}

async function inTime(check: () => Promise<boolean>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<boolean>((resolve) => {
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
