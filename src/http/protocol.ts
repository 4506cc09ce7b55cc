/** What is checked in front of the engine, before it spends anything on a request: methods, and the length of parameters. */
import type { Middleware } from 'koa'
import { unescapeField } from './body.ts'
import { methodNotAllowed, parameterTooLong } from './errors.ts'

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

/**
 * Answers 405 with Allow where the engine would say 404: `methods` names what each of its paths takes. OPTIONS passes, it is CORS's.
 * @throws method_not_allowed (405)
 */
export function allowMethods(methods: Readonly<Record<string, readonly string[]>>): Middleware {
  const table = new Map(Object.entries(methods).map(([path, list]) => [path, withHead(list)]))
  return async (ctx, next) => {
    const allowed = table.get(ctx.path)
    if (allowed && ctx.method !== 'OPTIONS' && !allowed.includes(ctx.method)) {
      throw methodNotAllowed({ params: { allow: allowed.join(', ') } })
    }
    await next()
  }
}

const withHead = (methods: readonly string[]) => (methods.includes('GET') ? ['HEAD', ...methods] : methods)
