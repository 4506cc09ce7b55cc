/**
 * Answers POST at the authorization and end-session endpoints (OpenID Connect Core 1.0 §3.1.2.1,
 * RP-Initiated Logout 1.0 §2) by 303 to the same request as GET. A cross-site POST sends no Lax
 * cookie; the GET does.
 * Hints that identify a user stay out of the URL, and so out of histories and logs.
 */
import type { Context, Next } from 'koa'
import type { Random } from '../random.ts'
import { endpointAt } from './endpoints.ts'

type ParkDeps = {
  /** Stores `body` for so many seconds under `id`, until it is taken once. */
  park: (id: string, body: string, seconds: number) => Promise<void>
  random: Pick<Random, 'token'>
}
type Deps = {
  /** Counts the request by its ip, because a parked request is stored. Throws too_many_requests. */
  count: (ctx: Context) => Promise<void>
  /** The function from `createRequestUrls`. */
  requestUrlOf: (path: string, query: string) => Promise<string>
  /** Gives a parked body once. */
  take: (id: string) => Promise<string | undefined>
  readForm: (ctx: Context) => Promise<string>
  requestExpired: () => Error
}

/** Node refuses a request head over 16 KiB; some proxies have lower limits. */
const longestQuery = 4000

/** A browser follows a redirect at once; the retry page waits some seconds. */
const parkedSeconds = 60

const parkedParameter = 'latchkey_request'

/**
 * Parameters that identify a user: an ID token with its claims, or an email (RP-Initiated Logout
 * 1.0 §2).
 */
const personalParameters = ['id_token_hint', 'logout_hint', 'login_hint']

/**
 * Gives the URL of a request to `path`. A query that is too long or identifies a user is parked,
 * and the URL has its id.
 */
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

/**
 * `readForm` gives the body as received (otherwise 400, 413 or 415), so that the engine sees
 * repeated parameters.
 */
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
