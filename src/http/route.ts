/** The descriptor of a route and its constructors. `route-mount.ts` enforces the descriptor. */
import type { Context } from 'koa'
import type { z } from 'zod'
import type { Access, HandlerContext, Visit } from '../access/access.ts'
import type { PolicyName } from '../limits/policies.ts'
import type { RouteKind, RouteMethod } from './route-rules.ts'

/** The input that the route's own schemas have checked. */
export type RouteInput<B = unknown, Q = unknown, P = unknown> = { body: B; query: Q; params: P }

type Descriptor<A extends Access, B, Q, P> = Readonly<{
  /** Unique; for logs and metrics. */
  name: string
  /** Decides how errors look: a page for `page` and `form`, JSON for `json` and `asset`. */
  kind: RouteKind
  method: RouteMethod
  /** In the syntax of @koa/router. Its parameters need `params`. */
  path: string
  /** The caller that a request needs. The mount checks it before the handler runs. */
  access: A
  /** A strict object for forms and JSON objects: an unknown field is an error. */
  body?: Body<B>
  /** `token`, or the reason why a request needs none (a bearer credential in a header). */
  csrf?: 'token' | { exempt: string }
  /** Without a schema the query is not parsed. */
  query?: z.ZodType<Q>
  /**
   * Counts requests: by IP before the body is read, then by the result of `by` for the checked
   * input.
   */
  limit?:
    | { policy: PolicyName; by?: (input: RouteInput<B, Q, P>, ctx: Context) => string | Promise<string> }
    | { exempt: string }
  params?: z.ZodType<P>
  handler: (ctx: Context, input: RouteInput<B, Q, P> & HandlerContext<A>) => Promise<void> | void
}>
type Body<B> = { schema: z.ZodType<B>; limitBytes?: number }

type AnyInput = RouteInput & { visit?: Visit; clientId?: string }
/** A route of any access, as the mount reads it. */
export type Route = Omit<Descriptor<Access, unknown, unknown, unknown>, 'handler'> &
  Readonly<{ handler: (ctx: Context, input: AnyInput) => Promise<void> | void }>

type Fixed = 'kind' | 'method' | 'csrf' | 'body'
type Reading<A extends Access, Q, P> = Omit<Descriptor<A, undefined, Q, P>, Fixed>
type Writing<A extends Access, B, Q, P> = Omit<Descriptor<A, B, Q, P>, Fixed> & { body: Body<B> }

// Safe, because the mount gives a handler exactly what its schemas and access promise.
const widened = (route: unknown): Route => route as Route

/** A page: GET, HTML. */
export const page = <const A extends Access, Q = undefined, P = undefined>(route: Reading<A, Q, P>): Route =>
  widened({ ...route, kind: 'page', method: 'GET' })

/** A file: GET. */
export const asset = <const A extends Access, Q = undefined, P = undefined>(route: Reading<A, Q, P>): Route =>
  widened({ ...route, kind: 'asset', method: 'GET' })

/** A form: POST with a CSRF token. Its failures are shown as pages. */
export const form = <const A extends Access, B, Q = undefined, P = undefined>(route: Writing<A, B, Q, P>): Route =>
  widened({ ...route, kind: 'form', method: 'POST', csrf: 'token' })

/** JSON. A writing request has the CSRF token in a header, or the route gives the reason. */
export const api = <const A extends Access, B = undefined, Q = undefined, P = undefined>(
  route: Omit<Descriptor<A, B, Q, P>, 'kind' | 'csrf'> & { csrf?: { exempt: string } },
): Route => widened({ ...(route.method !== 'GET' && { csrf: 'token' }), ...route, kind: 'json' })

/** Sends the browser to `url` with GET (RFC 9110 §15.4.4). */
export function seeOther(ctx: Context, url: string): void {
  ctx.status = 303
  ctx.redirect(url)
}
