/**
 * One id and one log line for every request. The line never contains a query, a cookie, a body or
 * an id from the path.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Context, Middleware } from 'koa'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import type { Random } from '../random.ts'

type Facts = Readonly<{ path: string; status: number; ip: string; errorCode?: string | undefined }>

export type LogRequest = ReturnType<typeof createRequestLog>

/** The id of this request, for the X-Request-Id header and error pages. */
export const requestIdOf = (ctx: Context): string => ctx.state.requestId as string

/** When this request was received, in milliseconds since the epoch. */
export const receivedAtOf = (ctx: Context): number => ctx.state.receivedAt as number

/** Writes the line of a request when it is answered or aborted; `describe` is called then. */
export function createRequestLog({ log, clock }: { log: Log; clock: Clock }) {
  return (
    { method, headers }: IncomingMessage,
    response: ServerResponse,
    {
      requestId,
      describe,
      receivedAt = clock.now(),
    }: { requestId: string; describe: () => Facts; receivedAt?: number },
  ): void => {
    if (!log.isLevelEnabled('info')) return
    response.once('close', () => {
      const { path, status, ip, errorCode } = describe()
      const line = {
        requestId,
        method,
        path,
        status,
        // Not `code`: the log removes that field, because an authorization code has the same name.
        errorCode,
        ms: clock.now() - receivedAt,
        address: ip,
        userAgent: headers['user-agent']?.slice(0, 200) || undefined,
      }
      log.info(line, response.writableFinished ? 'request' : 'request given up')
    })
  }
}

type Deps = { logRequest: LogRequest; clock: Clock; random: Random }

/** Gives the request its id and time, and logs it. The first middleware. */
export function accessLog({ logRequest, clock, random }: Deps): Middleware {
  return (ctx, next) => {
    const requestId = random.id()
    ctx.state.requestId = requestId
    ctx.res.setHeader('X-Request-Id', requestId)
    const receivedAt = clock.now()
    ctx.state.receivedAt = receivedAt
    const describe = (): Facts => ({
      path: loggedPath(ctx),
      status: ctx.res.headersSent ? ctx.status : 0,
      ip: ctx.ip,
      errorCode: ctx.state.errorCode as string | undefined,
    })
    logRequest(ctx.req, ctx.res, { requestId, describe, receivedAt })
    return next()
  }
}

/**
 * The route's pattern, or the path with each segment replaced that may be an id (an interaction, a
 * handle).
 */
function loggedPath(ctx: Context): string {
  const pattern = ctx.state.route?.path as string | undefined
  if (pattern) return pattern
  const segments = ctx.path.split('/').slice(0, 8)
  return segments.map((segment) => (/^[a-z.-]{0,40}$/.test(segment) ? segment : ':id')).join('/')
}
