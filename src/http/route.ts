/** What a route is: its descriptor, and the rules by which one is incomplete or contradicts itself. `mount.ts` mounts them. */
import type { Context } from 'koa'
import { z } from 'zod'
import type { Permission } from '../access/permissions.ts'

export const routeKinds = ['page', 'form', 'json', 'asset'] as const
export type RouteKind = (typeof routeKinds)[number]
export const routeMethods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const
export type RouteMethod = (typeof routeMethods)[number]

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
  params?: z.ZodType<P>
  handler: (ctx: Context, input: RouteInput<B, Q, P>) => Promise<void> | void
}>
export type Route = Descriptor<unknown, unknown, unknown>

/** Writes down a route; the handler's input takes its types from the schemas. */
// The input a handler is called with has passed the very schemas its type comes from, so the wider type is safe.
export const defineRoute = <B = undefined, Q = undefined, P = undefined>(route: Descriptor<B, Q, P>): Route =>
  route as Route

/**
 * What is wrong with a route, a sentence each; nothing when it can be mounted. `permissions` are all that exist; `canAuthorize` says
 * whether anything checks them.
 */
export function problemsOf(route: Route, permissions: readonly string[], canAuthorize: boolean): string[] {
  const { kind, method, path, body, csrf, permission } = route
  const writes = method !== 'GET'
  const takesBody = ['POST', 'PUT', 'PATCH'].includes(method)
  const rules: [boolean, string][] = [
    [!route.name, 'it has no name'],
    [!routeKinds.includes(kind), `its kind "${kind}" is unknown`],
    [!routeMethods.includes(method), `its method "${method}" is unknown`],
    [!path?.startsWith('/'), 'its path does not begin with a slash'],
    [typeof route.handler !== 'function', 'it has no handler'],
    [(kind === 'page' || kind === 'asset') && writes, `a route of kind ${kind} only reads: its method is GET`],
    [kind === 'form' && method !== 'POST', 'a form is sent with POST'],
    [takesBody && !body, 'it takes a body and has no schema for it'],
    [!takesBody && !!body, `a ${method} has no body`],
    [!!body && !(body.schema instanceof z.ZodType), 'its body has no schema'],
    [
      body?.schema instanceof z.ZodObject && !isStrict(body.schema),
      'its body schema lets unknown fields through: use z.strictObject',
    ],
    [
      kind === 'form' && !!body && !(body.schema instanceof z.ZodObject),
      'a form is an object of fields: use z.strictObject',
    ],
    [body?.limitBytes !== undefined && !(body.limitBytes > 0), 'its body limit is not a number of bytes above 0'],
    [kind === 'form' && csrf !== 'token', 'a form needs csrf: "token"'],
    [kind === 'json' && writes && !csrf, 'it writes: csrf is "token", or the reason why it needs none'],
    [typeof csrf === 'object' && !csrf.exempt, 'its exemption from csrf has no reason'],
    [!writes && csrf !== undefined, 'a GET changes nothing and has no csrf'],
    [!permission, 'it does not say who may: a permission, or "public"'],
    [
      !!permission && permission !== 'public' && !permissions.includes(permission),
      `its permission "${permission}" is unknown`,
    ],
    [!!permission && permission !== 'public' && !canAuthorize, 'it needs a permission and nothing checks permissions'],
    [/[:*{]/.test(path ?? '') !== !!route.params, 'its path parameters and its params schema do not go together'],
  ]
  const label = `${method} ${path} (${route.name})`
  return rules.filter(([isBroken]) => isBroken).map(([, problem]) => `${label}: ${problem}`)
}

const isStrict = (schema: z.ZodObject): boolean => schema.def.catchall instanceof z.ZodNever
