/**
 * Limits of protocol parameters: their length and the depth of their JSON, checked before the
 * engine reads them.
 */
import type { Middleware } from 'koa'
import { unescapeField } from './body.ts'
import { parameterTooDeep, parameterTooLong } from './errors.ts'

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

/** The first parameter that is too long, in decoded characters; each value of a list counts. */
export function findLongParameter(
  parameters: Readonly<Record<string, unknown>>,
): { parameter: string; limit: number } | undefined {
  for (const name of Object.keys(parameters)) {
    if (isLong(name, parameters[name])) return { parameter: name.slice(0, 64), limit: limitOf(name) }
  }
  return undefined
}

/** Parameters that are JSON, or JWTs, whose first two parts are JSON. */
const jsonParameters: ReadonlySet<string> = new Set(['claims', 'authorization_details'])
const jwtParameters: ReadonlySet<string> = new Set(['client_assertion', 'id_token_hint', 'request'])

/** No supported claim needs ten levels. Recursive reading and writing fails at some thousand. */
const deepest = 32

function isDeepJson(text: string): boolean {
  let depth = 0
  let isInString = false
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at]
    if (isInString && character === '\\') at += 1
    else if (character === '"') isInString = !isInString
    else if (isInString) continue
    else if (character === '{' || character === '[') depth += 1
    else if (character === '}' || character === ']') depth -= 1
    if (depth > deepest) return true
  }
  return false
}

const isDeepJwt = (jwt: string): boolean =>
  jwt.split('.', 2).some((part) => isDeepJson(Buffer.from(part, 'base64url').toString()))

function isDeep(name: string, value: unknown): boolean {
  if (Array.isArray(value)) return value.some((one) => isDeep(name, one))
  if (typeof value !== 'string' || value.length <= deepest) return false
  if (jsonParameters.has(name)) return isDeepJson(value)
  return jwtParameters.has(name) && isDeepJwt(value)
}

/** The first parameter whose JSON is nested too deeply. */
export const findDeepParameter = (parameters: Readonly<Record<string, unknown>>): string | undefined =>
  Object.keys(parameters).find((name) => isDeep(name, parameters[name]))

/**
 * Refuses a query string or an encoded form with a parameter that is too long, too deep or not
 * form-encoded UTF-8. The engine checks repeated ones, because `resource` may repeat (RFC 8707 §2).
 * @throws parameter_too_long, parameter_too_deep, request_malformed (400)
 */
export function checkParameters(text: string): void {
  if (text === '') return
  for (const pair of text.split('&')) {
    const [name, value] = decodePair(pair)
    if (isLong(name, value)) throw parameterTooLong({ params: { parameter: name.slice(0, 64), limit: limitOf(name) } })
    if (isDeep(name, value)) throw parameterTooDeep({ params: { parameter: name, limit: deepest } })
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
