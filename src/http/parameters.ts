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

const isLonger = (value: unknown, limit: number): boolean => typeof value === 'string' && value.length > limit

/** The first parameter that is longer than it may be, in characters as decoded; a repeated one counts each time. */
export function findLongParameter(
  parameters: Iterable<readonly [string, unknown]>,
): { parameter: string; limit: number } | undefined {
  for (const [name, value] of parameters) {
    const limit = Object.hasOwn(limits, name) ? limits[name]! : limitOfOthers
    const isLong = Array.isArray(value) ? value.some((one) => isLonger(one, limit)) : isLonger(value, limit)
    if (isLong) return { parameter: name.slice(0, 64), limit }
  }
  return undefined
}

/**
 * Refuses a query string, or a form as it was sent, with a parameter that is too long or not form-encoded UTF-8. Repeated ones are left
 * to the engine, which knows that `resource` may be (RFC 8707 §2).
 * @throws parameter_too_long, request_malformed (400)
 */
export function checkParameters(text: string): void {
  if (text === '') return
  const found = findLongParameter(text.split('&').map(decodePair))
  if (found) throw parameterTooLong({ params: found })
}

/** `checkParameters` for the query string of every request. */
export function limitParameters(): Middleware {
  return (ctx, next) => {
    checkParameters(ctx.querystring)
    return next()
  }
}

function decodePair(pair: string): [string, string] {
  const end = pair.includes('=') ? pair.indexOf('=') : pair.length
  return [unescapeField(pair.slice(0, end)), unescapeField(pair.slice(end + 1))]
}
