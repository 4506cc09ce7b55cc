/** CORS checks before the engine. The engine alone allows every origin (RFC 9700 §2.6; Fetch). */
import type { Context, Next } from 'koa'
import type { Client } from 'oidc-provider'
import { endpointAt } from './endpoints.ts'

const preflightSeconds = '3600'
const requestHeaders = 'Authorization, Content-Type, DPoP'

function answerPreflight(ctx: Context, origin: string, methods: readonly string[]): void {
  const toScripts = methods.filter((method) => method === 'GET' || method === 'POST')
  ctx.set('Access-Control-Allow-Origin', origin)
  ctx.set('Access-Control-Allow-Methods', toScripts.join(','))
  ctx.set('Access-Control-Allow-Headers', requestHeaders)
  ctx.set('Access-Control-Max-Age', preflightSeconds)
  ctx.status = 204
}

/**
 * A preflight names no client. With `cors: 'client'` each origin except `null` and an empty one
 * passes. `isClientOriginAllowed` checks the request that follows.
 */
export function cors(ctx: Context, next: Next): Promise<void> | void {
  const origin = ctx.get('Origin')
  const isPreflight = ctx.method === 'OPTIONS' && ctx.get('Access-Control-Request-Method') !== ''
  const endpoint = endpointAt(ctx.path)
  if (endpoint?.cors === 'any') {
    if (isPreflight) return answerPreflight(ctx, '*', endpoint.methods)
    ctx.set('Access-Control-Allow-Origin', '*')
    return next()
  }
  if (ctx.headers.origin === undefined) return next()
  ctx.vary('Origin')
  // The engine would treat an empty origin as a missing one.
  if (endpoint?.cors !== 'client' || origin === 'null' || origin === '') return withoutAllowOrigin(ctx, next)
  return isPreflight ? answerPreflight(ctx, origin, endpoint.methods) : next()
}

/** Whether the response to the client's request may be read by a script of this origin. */
export const isClientOriginAllowed = (ctx: Context, origin: string, client: Client): boolean =>
  endpointAt(ctx.path)?.cors === 'client' &&
  origin !== 'null' &&
  [...(client.redirectUris ?? []), ...((client.allowed_origins as string[] | undefined) ?? [])].some(
    (uri) => URL.parse(uri)?.origin === origin,
  )

async function withoutAllowOrigin(ctx: Context, next: Next): Promise<void> {
  await next()
  ctx.remove('Access-Control-Allow-Origin')
}
