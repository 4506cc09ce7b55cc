/**
 * POST at the authorization and end-session endpoints (OpenID Connect Core 1.0 §3.1.2.1, RP-Initiated Logout 1.0 §2) answered by
 * 303 to the same request as GET: a cross-site POST carries no Lax cookie, the GET that follows does. A hint that names a person stays out
 * of the address: a client posts it so that it stands in no history and no log.
 */
import type { Context, Next } from 'koa'
import type { Random } from '../random.ts'
import { endpointAt } from './endpoints.ts'

type ParkDeps = {
  /** Keeps `body` for so many seconds under `id`, until it is taken once. */
  park: (id: string, body: string, seconds: number) => Promise<void>
  random: Pick<Random, 'token'>
}
type Deps = {
  /** Counts the request at its address: what is parked is stored. Throws too_many_requests. */
  count: (ctx: Context) => Promise<void>
  /** `createRequestUrls`. */
  requestUrlOf: (path: string, query: string) => Promise<string>
  /** Gives a parked body once, then never again. */
  take: (id: string) => Promise<string | undefined>
  readForm: (ctx: Context) => Promise<string>
  requestExpired: () => Error
}

/** Node refuses a request head over 16 KiB; proxies in front are stricter. */
const longestQuery = 4000

/** A browser follows a redirect at once; a page that sends it there waits some seconds. */
const parkedSeconds = 60

const parkedParameter = 'latchkey_request'

/** What says who somebody is: an ID token with all of its claims, or an email address (RP-Initiated Logout 1.0 §2). */
const personalParameters = ['id_token_hint', 'logout_hint', 'login_hint']

/** The address of a request to `path`: with its query, or with the name of a parked one where the query is too long or names a person. */
export function createRequestUrls({ park, random }: ParkDeps) {
  return async (path: string, query: string): Promise<string> => {
    if (query === '') return path
    const parameters = new URLSearchParams(query)
    if (query.length <= longestQuery && !personalParameters.some((name) => parameters.has(name))) {
      return `${path}?${query}`
    }
    const id = random.token()
    await park(id, query, parkedSeconds)
    return `${path}?${parkedParameter}=${id}`
  }
}

/** `readForm` gives the body as received (400, 413 or 415 otherwise), so that a repeated parameter stays visible to the engine. */
export function createPostToGet({ count, requestUrlOf, take, readForm, requestExpired }: Deps) {
  return (ctx: Context, next: Next): Promise<void> => (endpointAt(ctx.path)?.isPostMadeGet ? asGet(ctx, next) : next())

  async function asGet(ctx: Context, next: Next): Promise<void> {
    if (ctx.method === 'POST') {
      await count(ctx)
      ctx.redirect(await requestUrlOf(ctx.path, await readForm(ctx)))
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
