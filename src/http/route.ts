/** The descriptor of a route, and the one way to mount it: nothing of ours answers a request without the checks it names. */
import { Router } from '@koa/router'
import type { Context } from 'koa'
import type { z } from 'zod'
import type { Permission } from '../access/permissions.ts'
import type { Gate } from '../limits/gate.ts'
import type { PolicyName } from '../limits/policies.ts'
import { defaultBodyLimit, formType, jsonType, parseFields, readBody } from './body.ts'
import type { Csrf } from './csrf.ts'
import { csrfField, csrfHeader } from './csrf.ts'
import { fieldsInvalid, methodNotAllowed, notFound } from './errors.ts'
import type { RouteKind, RouteMethod } from './route-rules.ts'
import { duplicatesIn, problemsOf, shapeOf } from './route-rules.ts'

/** What a handler is given besides the context: everything checked by the route's own schemas. */
export type RouteInput<B = unknown, Q = unknown, P = unknown> = { body: B; query: Q; params: P }

type Descriptor<B, Q, P> = Readonly<{
  /** Unique; for logs and metrics. */
  name: string
  /** `page`: GET, HTML. `form`: POST of a form, HTML. `json`: any method, JSON. `asset`: GET, a file. Decides how errors look. */
  kind: RouteKind
  method: RouteMethod
  /** As @koa/router reads it. Its parameters need `params`. */
  path: string
  /** Who may: everybody, or who has this permission. */
  permission: 'public' | Permission
  /** A strict object for forms and JSON objects: an unknown field is an error. Needed where a body is, refused elsewhere. */
  body?: { schema: z.ZodType<B>; limitBytes?: number }
  /** `token` for every form. A JSON route that writes says `token`, or why it needs none (a bearer credential in a header). */
  csrf?: 'token' | { exempt: string }
  /** Without a schema the query is not parsed. */
  query?: z.ZodType<Q>
  /**
   * Which limit counts its requests: by address, before anything is read, and by what `by` gives of the checked input. A public form
   * names one, or says why it needs none.
   */
  limit?:
    | { policy: PolicyName; by?: (input: RouteInput<B, Q, P>, ctx: Context) => string | Promise<string> }
    | { exempt: string }
  params?: z.ZodType<P>
  handler: (ctx: Context, input: RouteInput<B, Q, P>) => Promise<void> | void
}>
export type Route = Descriptor<unknown, unknown, unknown>

/** Writes down a route; the handler's input takes its types from the schemas. */
// The input a handler is called with has passed the very schemas its type comes from, so the wider type is safe.
export const defineRoute = <B = undefined, Q = undefined, P = undefined>(route: Descriptor<B, Q, P>): Route =>
  route as Route

export type RouteDeps = {
  csrf: Csrf
  /** Every permission that exists. */
  permissions: readonly string[]
  /** Throws unless whoever sent the request has `permission`. Without it no route but public ones can be mounted. */
  authorize?: (ctx: Context, permission: Permission) => Promise<void>
  /** What counts requests, and every policy there is. Without it no route that names a limit can be mounted. */
  limits?: { gate: Pick<Gate, 'countAddress' | 'countIdentifier'>; policies: readonly string[] }
}

/** A router whose paths are exact: no other case, no trailing slash. */
export const createRouter = (): Router => new Router({ strict: true, sensitive: true })

/**
 * Mounts every route behind its checks, in this order: method (405 with Allow), path parameters (404), permission, origin, limit by
 * address (429), body type and size (415, 413), CSRF token (403), schemas (400), limit by identifier (429).
 * Throws when a route is incomplete or contradicts itself or another, naming every problem: such a server does not start.
 */
export function mountRoutes(router: Router, routes: readonly Route[], deps: RouteDeps): void {
  const incomplete = routes.flatMap((route) =>
    problemsOf(route, { ...deps, canAuthorize: !!deps.authorize, policies: deps.limits?.policies ?? [] }),
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

async function answer(ctx: Context, route: Route, { csrf, authorize, limits }: RouteDeps): Promise<void> {
  ctx.state.route = route
  const params = route.params?.safeParse(ctx.params)
  if (params && !params.success) throw notFound()
  if (route.permission !== 'public') await authorize?.(ctx, route.permission)
  if (route.csrf === 'token') csrf.checkOrigin(ctx)
  const limit = route.limit && 'policy' in route.limit ? route.limit : undefined
  // After the origin: another site must not use up what this browser may.
  if (limit) await limits?.gate.countAddress(ctx, limit.policy)
  // A form carries its token in the body; what a script sends has it in a header, and may have no body.
  if (route.csrf === 'token' && route.kind !== 'form') csrf.checkToken(ctx, ctx.get(csrfHeader))
  const body = route.body && (await checkedBody(ctx, route, csrf))
  const query = route.query && checked(route.query, parseFields(ctx.querystring))
  const input = { body, query, params: params?.data }
  if (limit?.by) await limits?.gate.countIdentifier(ctx, limit.policy, await limit.by(input, ctx))
  await route.handler(ctx, input)
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
