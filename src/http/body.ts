/**
 * Reads requests: form and JSON bodies of our own routes and query strings, with strict checks of
 * type, size and encoding.
 */
import { parse as parseContentType } from 'content-type'
import type { Context, Middleware } from 'koa'
import getRawBody from 'raw-body'
import {
  bodyTooLarge,
  contentEncodingUnsupported,
  fieldRepeated,
  mediaTypeUnsupported,
  requestMalformed,
} from './errors.ts'

/** The default limit of a body in bytes; the engine has the same. */
export const defaultBodyLimit = 56 * 1024

export const formType = 'application/x-www-form-urlencoded'
export const jsonType = 'application/json'

/** More fields than any of our forms has. Limits the cost of a body with 28,000 empty fields. */
const maxFields = 200

/**
 * Deeper JSON than any of our routes takes. 56 KiB of brackets would otherwise exhaust the stack.
 */
const maxDepth = 32

/**
 * Reads the body as `type`; returns its fields (form) or its value (JSON). A request without a body
 * has no fields.
 * @throws media_type_unsupported, content_encoding_unsupported (415), body_too_large (413),
 * request_malformed, field_repeated (400)
 */
export async function readBody(
  ctx: Context,
  type: typeof formType | typeof jsonType,
  limitBytes: number,
): Promise<unknown> {
  if (type === formType) return parseFields(await readFormText(ctx, limitBytes))
  if (!hasBody(ctx)) return undefined
  refuseOtherTypes(ctx, [type])
  return refuseUnfit(parseJson(decode(await readBytes(ctx, limitBytes))))
}

/** The body of a form, still encoded; empty without a body. Throws as `readBody` does. */
export async function readFormText(ctx: Context, limitBytes = defaultBodyLimit): Promise<string> {
  if (!hasBody(ctx)) return ''
  refuseOtherTypes(ctx, [formType])
  return decode(await readBytes(ctx, limitBytes))
}

/**
 * The fields of a form body or a query string, each at most once (RFC 6749 §3.1; the URL standard's
 * form encoding).
 * @throws request_malformed for a broken escape, bytes that are not UTF-8, or a NUL; field_repeated
 */
export function parseFields(text: string): Record<string, string> {
  const pairs = text === '' ? [] : text.split('&', maxFields + 1).filter((pair) => pair !== '')
  if (pairs.length > maxFields) throw requestMalformed()
  const fields = new Map<string, string>()
  for (const pair of pairs) {
    const end = pair.includes('=') ? pair.indexOf('=') : pair.length
    const name = unescapeField(pair.slice(0, end))
    if (fields.has(name)) throw fieldRepeated({ params: { field: name.slice(0, 64) } })
    fields.set(name, unescapeField(pair.slice(end + 1)))
  }
  // Not an assignment: a field called __proto__ becomes a normal field, which the schema then
  // refuses.
  return Object.fromEntries(fields)
}

/**
 * Decodes a form-encoded text.
 * @throws request_malformed for a broken escape, bytes that are not UTF-8, or a NUL
 */
export function unescapeField(text: string): string {
  try {
    const value = decodeURIComponent(text.replaceAll('+', ' '))
    if (!value.includes('\0')) return value
  } catch {
    // Refused below: a wrong escape.
  }
  throw requestMalformed()
}

/**
 * Checks the headers of a body, because the engine refuses a wrong type or length less clearly
 * (415, 413). The engine reads the body.
 */
export function guardBodies({
  types,
  limitBytes = defaultBodyLimit,
}: {
  types: readonly string[]
  limitBytes?: number
}): Middleware {
  return (ctx, next) => {
    if (hasBody(ctx)) {
      refuseOtherTypes(ctx, types)
      if (Number(ctx.get('Content-Length')) > limitBytes) throw bodyTooLarge()
    }
    return next()
  }
}

/** RFC 9112 §6: a request has a body when one of these headers says so. */
const hasBody = (ctx: Context): boolean =>
  ctx.get('Transfer-Encoding') !== '' || Number(ctx.get('Content-Length') || 0) !== 0

function refuseOtherTypes(ctx: Context, types: readonly string[]): void {
  const encoding = ctx.get('Content-Encoding').trim().toLowerCase()
  if (encoding !== '' && encoding !== 'identity') throw contentEncodingUnsupported()
  const sent = ctx.get('Content-Type')
  // The usual spelling needs no parsing.
  if (types.includes(sent)) return
  const { type, parameters } = parseContentType(sent)
  const charset = parameters.charset?.toLowerCase()
  if (!types.includes(type.toLowerCase()) || (charset && charset !== 'utf-8' && charset !== 'utf8')) {
    throw mediaTypeUnsupported({ params: { types: types.join(', ') } })
  }
}

async function readBytes(ctx: Context, limit: number): Promise<Buffer> {
  try {
    return await getRawBody(ctx.req, { limit, length: ctx.get('Content-Length') || null })
  } catch (cause) {
    const { status } = Object(cause) as { status?: number }
    throw status === 413 ? bodyTooLarge({ cause }) : requestMalformed({ cause })
  }
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw requestMalformed({ cause })
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw requestMalformed({ cause })
  }
}

/**
 * Postgres cannot store a NUL, no store can keep half a character, and only attacks have a member
 * called __proto__.
 */
function refuseUnfit(value: unknown, depth = 0): unknown {
  if (depth > maxDepth) throw requestMalformed()
  if (typeof value === 'string' && (value.includes('\0') || !value.isWellFormed())) throw requestMalformed()
  if (value !== null && typeof value === 'object') {
    for (const [name, member] of Object.entries(value)) {
      if (name === '__proto__') throw requestMalformed()
      refuseUnfit(name, depth)
      refuseUnfit(member, depth + 1)
    }
  }
  return value
}
