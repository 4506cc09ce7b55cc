/** The one way to mount routes: nothing of ours answers a request without the checks its descriptor names. */
import { Router } from '@koa/router'
import type { Context } from 'koa'
import type { z } from 'zod'
import type { Permission } from '../access/permissions.ts'
import { defaultBodyLimit, formType, jsonType, parseFields, readBody } from './body.ts'
import type { Csrf } from './csrf.ts'
import { csrfField, csrfHeader } from './csrf.ts'
import { fieldsInvalid, methodNotAllowed, notFound } from './errors.ts'
import type { Route } from './route.ts'
import { problemsOf } from './route.ts'

export type RouteDeps = {
  csrf: Csrf
  /** Every permission that exists. */
  permissions: readonly string[]
  /** Throws unless whoever sent the request has `permission`. Without it no route but public ones can be mounted. */
  authorize?: (ctx: Context, permission: Permission) => Promise<void>
}

/** A router whose paths are exact: no other case, no trailing slash. */
export const createRouter = (): Router => new Router({ strict: true, sensitive: true })

/**
 * Mounts every route behind its checks, in this order: method (405 with Allow), path parameters (404), permission, origin, body type
 * and size (415, 413), CSRF token (403), schemas (400).
 * Throws when a route is incomplete or contradicts itself or another, naming every problem: such a server does not start.
 */
export function mountRoutes(router: Router, routes: readonly Route[], deps: RouteDeps): void {
  const incomplete = routes.flatMap((route) => problemsOf(route, deps.permissions, !!deps.authorize))
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

async function answer(ctx: Context, route: Route, { csrf, authorize }: RouteDeps): Promise<void> {
  ctx.state.route = route
  const params = route.params?.safeParse(ctx.params)
  if (params && !params.success) throw notFound()
  if (route.permission !== 'public') await authorize?.(ctx, route.permission)
  if (route.csrf === 'token') csrf.checkOrigin(ctx)
  // A form carries its token in the body; what a script sends has it in a header, and may have no body.
  if (route.csrf === 'token' && route.kind !== 'form') csrf.checkToken(ctx, ctx.get(csrfHeader))
  const body = route.body && (await checkedBody(ctx, route, csrf))
  const query = route.query && checked(route.query, parseFields(ctx.querystring))
  await route.handler(ctx, { body, query, params: params?.data })
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

/** Two paths that differ only in the names of their parameters are one. */
const shapeOf = (path: string): string => path.replace(/:\w+/g, ':')

function duplicatesIn(router: Router, routes: readonly Route[]): string[] {
  const mounted = router.stack.flatMap((layer) =>
    layer.methods.map((method) => `${method} ${shapeOf(String(layer.path))}`),
  )
  const seen = new Set(mounted)
  const names = new Set<string>()
  return routes.flatMap(({ method, path, name }) => {
    const place = `${method} ${shapeOf(path)}`
    const isTaken = seen.has(place)
    const isNameTaken = names.has(name)
    seen.add(place)
    names.add(name)
    return [
      ...(isTaken ? [`${method} ${path} (${name}): another route has this method and path`] : []),
      ...(isNameTaken ? [`${method} ${path} (${name}): another route has this name`] : []),
    ]
  })
}
