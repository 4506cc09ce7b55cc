/** How long a protocol parameter may be, checked before the engine spends anything on it. */
import type { Middleware } from 'koa'
import { unescapeField } from './body.ts'
import { parameterTooLong } from './errors.ts'

const limitOfOthers = 4_000
const limits: Readonly<Record<string, number>> = {
  scope: 1_000,
  claims: 16_000,
  client_assertion: 16_000,
  id_token_hint: 16_000,
  request: 16_000,
}

/**
 * Checks lengths in characters, as decoded: for query strings here, and for bodies once the engine has read them.
 * @throws parameter_too_long (400)
 */
export function checkParameterLengths(parameters: Iterable<readonly [string, unknown]>): void {
  for (const [name, value] of parameters) {
    const limit = Object.hasOwn(limits, name) ? limits[name]! : limitOfOthers
    if (typeof value === 'string' && value.length > limit) {
      throw parameterTooLong({ params: { parameter: name.slice(0, 64), limit } })
    }
  }
}

/**
 * Refuses a query string with a parameter that is too long or not form-encoded UTF-8. Repeated ones are left to the engine, which
 * knows that `resource` may be (RFC 8707 §2).
 * @throws parameter_too_long, request_malformed (400)
 */
export function limitParameters(): Middleware {
  return async (ctx, next) => {
    if (ctx.querystring !== '') checkParameterLengths(ctx.querystring.split('&').map(decodePair))
    await next()
  }
}

function decodePair(pair: string): [string, string] {
  const end = pair.includes('=') ? pair.indexOf('=') : pair.length
  return [unescapeField(pair.slice(0, end)), unescapeField(pair.slice(end + 1))]
}
