/** The only way to mount a route: no handler runs before the checks of its descriptor. */
import { Router } from '@koa/router'
import type { Context } from 'koa'
import type { z } from 'zod'
import type { AccessGuards } from '../access/access.ts'
import type { RateLimiter } from '../limits/rate-limiter.ts'
import { defaultBodyLimit, formType, jsonType, parseFields, readBody } from './body.ts'
import type { Csrf } from './csrf.ts'
import { csrfField, csrfHeader } from './csrf.ts'
import { fieldsInvalid, methodNotAllowed, notFound } from './errors.ts'
import type { Route } from './route.ts'
import { seeOther } from './route.ts'
import { duplicatesIn, problemsOf, shapeOf } from './route-rules.ts'

export type RouteDeps = {
  csrf: Csrf
  /** Every permission. */
  permissions: readonly string[]
  /** The checks of access. Without them only public routes can be mounted. */
  guards?: AccessGuards
  /**
   * Counts requests. `policies` are all policies. Without it, no route with a limit can be mounted.
   */
  limits?: { rateLimiter: Pick<RateLimiter, 'countIp' | 'countIdentifier'>; policies: readonly string[] }
}

/** A router whose paths are exact: case-sensitive, no trailing slash. */
export const createRouter = (): Router => new Router({ strict: true, sensitive: true })

/**
 * The order of the checks: method (405 with Allow), path parameters (404), permission or client,
 * origin (403),
 * limit by IP (429), body type and size (415, 413), CSRF token (403), schemas (400),
 * limit by identifier (429), session, account of the form (403).
 * Throws at start when a route is incomplete or contradicts itself or another; names every problem.
 */
export function mountRoutes(router: Router, routes: readonly Route[], deps: RouteDeps): void {
  const { permissions, guards = {}, limits } = deps
  const incomplete = routes.flatMap((route) =>
    problemsOf(route, { permissions, guards, policies: limits?.policies ?? [] }),
  )
  const problems = [...incomplete, ...duplicatesIn(router, routes)]
  if (problems.length > 0) throw new Error(`routes that cannot be mounted:\n${problems.join('\n')}`)
  for (const route of routes) {
    router.register(route.path, route.method === 'GET' ? ['GET', 'HEAD'] : [route.method], (ctx) =>
      answer(ctx, route, deps),
    )
  }
  for (const [shape, group] of Map.groupBy(routes, (route) => shapeOf(route.path))) {
    const methods = group.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method]))
    const allow = [...new Set(methods)].join(', ')
    router.all(group[0]?.path ?? shape, (ctx) => {
      ctx.state.route = group[0]
      throw methodNotAllowed({ params: { allow } })
    })
  }
}

async function answer(ctx: Context, route: Route, { csrf, guards = {}, limits }: RouteDeps): Promise<void> {
  ctx.state.route = route
  const params = route.params?.safeParse(ctx.params)
  if (params && !params.success) throw notFound()
  const clientId = await admitCaller(ctx, route, guards)
  if (route.csrf === 'token') csrf.checkOrigin(ctx)
  const limit = route.limit && 'policy' in route.limit ? route.limit : undefined
  // After the origin check: another site must not use up this browser's limit.
  if (limit) await limits?.rateLimiter.countIp(ctx, limit.policy)
  // A form has its token in the body. A script's request may have no body.
  if (route.csrf === 'token' && route.kind !== 'form') csrf.checkToken(ctx, ctx.get(csrfHeader))
  const body = route.body && (await checkedBody(ctx, route, csrf))
  const query = route.query && checked(route.query, parseFields(ctx.querystring))
  const input = { body, query, params: params?.data }
  if (limit?.by) await limits?.rateLimiter.countIdentifier(ctx, limit.policy, await limit.by(input, ctx))
  if (typeof route.access === 'string' || !('session' in route.access)) {
    return route.handler(ctx, clientId === undefined ? input : { ...input, clientId })
  }
  // After the CSRF token: the guard counts forms, and another site must not use up that limit.
  const admission = await guards.session!(ctx, route.access.session)
  if ('loginUrl' in admission) return seeOther(ctx, admission.loginUrl)
  csrf.bindTo(ctx, admission.visit.account.id)
  await route.handler(ctx, { ...input, visit: admission.visit })
}

/** Checks access by a credential in the request. Returns the client's id for `client`. */
async function admitCaller(ctx: Context, { access }: Route, guards: AccessGuards): Promise<string | undefined> {
  if (typeof access === 'string') return undefined
  if ('permission' in access) await guards.permission!(ctx, access.permission)
  return 'client' in access ? guards.client!(ctx, access.client) : undefined
}

async function checkedBody(ctx: Context, route: Route, csrf: Csrf): Promise<unknown> {
  const { schema, limitBytes = defaultBodyLimit } = route.body!
  if (route.kind === 'form') {
    const { [csrfField]: token, ...fields } = (await readBody(ctx, formType, limitBytes)) as Record<string, string>
    csrf.checkToken(ctx, token)
    return checked(schema, fields)
  }
  return checked(schema, await readBody(ctx, jsonType, limitBytes))
}

function checked(schema: z.ZodType, value: unknown): unknown {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const names = result.error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys' ? issue.keys : [issue.path.join('.') || '(body)'],
  )
  throw fieldsInvalid({
    params: {
      fields: [...new Set(names)]
        .slice(0, 8)
        .map((name) => name.slice(0, 64))
        .join(', '),
    },
  })
}
