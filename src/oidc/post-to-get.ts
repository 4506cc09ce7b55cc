/**
 * POST at the authorization and end-session endpoints (OpenID Connect Core 1.0 §3.1.2.1, RP-Initiated Logout 1.0 §2) answered by
 * 303 to the same request as GET: a cross-site POST carries no Lax cookie, the GET that follows does.
 */
import type { Context, Next } from 'koa'
import { routes } from './endpoints.ts'

type Deps = {
  /** Keeps what is too long for an address until it is taken once; gives the id, 256 bits. */
  park: (body: string) => Promise<string>
  /** Gives a parked body once, then never again. */
  take: (id: string) => Promise<string | undefined>
  readForm: (ctx: Context) => Promise<string>
  requestExpired: () => Error
}

const paths: ReadonlySet<string> = new Set([routes.authorization, routes.end_session])

/** Node refuses a request head over 16 KiB; proxies in front are stricter. */
const longestQuery = 4000

const parkedParameter = 'latchkey_request'

/** `readForm` gives the body as received (400, 413 or 415 otherwise), so that a repeated parameter stays visible to the engine. */
export function createPostToGet({ park, take, readForm, requestExpired }: Deps) {
  return (ctx: Context, next: Next): Promise<void> => (paths.has(ctx.path) ? asGet(ctx, next) : next())

  async function asGet(ctx: Context, next: Next): Promise<void> {
    if (ctx.method === 'POST') {
      const body = await readForm(ctx)
      const query = body.length <= longestQuery ? body : `${parkedParameter}=${await park(body)}`
      ctx.redirect(query === '' ? ctx.path : `${ctx.path}?${query}`)
      ctx.status = 303
      return
    }
    const parked = ctx.query[parkedParameter]
    if (ctx.method === 'GET' && typeof parked === 'string') {
      const body = await take(parked)
      if (body === undefined) throw requestExpired()
      ctx.querystring = body
    }
    return next()
  }
}
