/** One id and one log line for every request; the line never holds a query, a cookie, a body or an id out of the path. */
import type { Context, Middleware } from 'koa'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import type { Random } from '../random.ts'

type Deps = { log: Log; clock: Clock; random: Random }

/** The id of this request, which the answer carries as X-Request-Id and error pages show. */
export const requestIdOf = (ctx: Context): string => ctx.state.requestId as string

/** When this request came, in milliseconds since the epoch. */
export const receivedAtOf = (ctx: Context): number => ctx.state.receivedAt as number

/** Gives the request its id and its moment and, once it is answered or given up, writes its line. Stands in front of everything. */
export function accessLog({ log, clock, random }: Deps): Middleware {
  return (ctx, next) => {
    const requestId = random.id()
    ctx.state.requestId = requestId
    ctx.res.setHeader('X-Request-Id', requestId)
    const receivedAt = clock.now()
    ctx.state.receivedAt = receivedAt
    if (!log.isLevelEnabled('info')) return next()
    ctx.res.once('close', () => {
      const line = {
        requestId,
        method: ctx.method,
        path: loggedPath(ctx),
        status: ctx.res.headersSent ? ctx.status : 0,
        // Not `code`: the log takes that field out, for an authorization code has the same name.
        errorCode: ctx.state.errorCode as string | undefined,
        ms: clock.now() - receivedAt,
        address: ctx.ip,
        userAgent: ctx.get('User-Agent').slice(0, 200) || undefined,
      }
      log.info(line, ctx.res.writableFinished ? 'request' : 'request given up')
    })
    return next()
  }
}

/** The route's pattern, or the path with every segment that may be an id (an interaction, a handle) taken out. */
function loggedPath(ctx: Context): string {
  const pattern = ctx.state.route?.path as string | undefined
  if (pattern) return pattern
  const segments = ctx.path.split('/').slice(0, 8)
  return segments.map((segment) => (/^[a-z.-]{0,40}$/.test(segment) ? segment : ':id')).join('/')
}
