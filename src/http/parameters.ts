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
const limitOfShortest = Math.min(limitOfOthers, ...Object.values(limits))

const limitOf = (name: string): number => (Object.hasOwn(limits, name) ? limits[name]! : limitOfOthers)

function isLong(name: string, value: unknown): boolean {
  if (typeof value === 'string') return value.length > limitOfShortest && value.length > limitOf(name)
  return Array.isArray(value) && value.some((one) => isLong(name, one))
}

/** The first of these parameters that is longer than it may be, in characters as decoded; each value of a list counts. */
export function findLongParameter(
  parameters: Readonly<Record<string, unknown>>,
): { parameter: string; limit: number } | undefined {
  for (const name of Object.keys(parameters)) {
    if (isLong(name, parameters[name])) return { parameter: name.slice(0, 64), limit: limitOf(name) }
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
  for (const pair of text.split('&')) {
    const [name, value] = decodePair(pair)
    if (isLong(name, value)) throw parameterTooLong({ params: { parameter: name.slice(0, 64), limit: limitOf(name) } })
  }
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
