/** CORS in front of the engine, which echoes every origin, `null` too (RFC 9700 §2.6; Fetch standard, CORS protocol). */
import type { Context, Next } from 'koa'
import { routes } from './endpoints.ts'

/** Anybody's script may read these: they hold nothing of a person or a client. */
const openPaths: ReadonlySet<string> = new Set([
  routes.jwks,
  '/.well-known/openid-configuration',
  '/.well-known/oauth-authorization-server',
])

const clientPaths: Readonly<Record<string, string>> = {
  [routes.token]: 'POST',
  [routes.revocation]: 'POST',
  [routes.pushed_authorization_request]: 'POST',
  [routes.userinfo]: 'GET,POST',
}

const preflightSeconds = '3600'
const requestHeaders = 'Authorization, Content-Type, DPoP'

function answerPreflight(ctx: Context, origin: string, methods: string): void {
  ctx.set('Access-Control-Allow-Origin', origin)
  ctx.set('Access-Control-Allow-Methods', methods)
  ctx.set('Access-Control-Allow-Headers', requestHeaders)
  ctx.set('Access-Control-Max-Age', preflightSeconds)
  ctx.status = 204
}

/** A preflight names no client, so any origin but `null` passes; the request itself is decided by its client (`clientBasedCORS`). */
export function cors(ctx: Context, next: Next): Promise<void> | void {
  const origin = ctx.get('Origin')
  const isPreflight = ctx.method === 'OPTIONS' && ctx.get('Access-Control-Request-Method') !== ''
  const methods = clientPaths[ctx.path]
  if (openPaths.has(ctx.path)) {
    if (isPreflight) return answerPreflight(ctx, '*', 'GET')
    ctx.set('Access-Control-Allow-Origin', '*')
    return next()
  }
  if (ctx.headers.origin === undefined) return next()
  ctx.vary('Origin')
  // An empty one is no origin that a client could have, and the engine would take the request for one without.
  if (methods === undefined || origin === 'null' || origin === '') return withoutAllowOrigin(ctx, next)
  return isPreflight ? answerPreflight(ctx, origin, methods) : next()
}

async function withoutAllowOrigin(ctx: Context, next: Next): Promise<void> {
  await next()
  ctx.remove('Access-Control-Allow-Origin')
}
