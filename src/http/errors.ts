/**
 * Errors of HTTP, and the middleware that answers errors of our handlers with JSON or a page.
 * The engine renders its own errors (src/oidc/pages.ts).
 */
import type { Context, Middleware } from 'koa'
import { AppError, declareError } from '../errors.ts'
import type { Sentences } from '../locales.ts'
import type { Log } from '../log.ts'
import { requestIdOf } from './access-log.ts'
import type { Views } from './views.ts'

export const notFound = declareError('not_found', 404)
export const methodNotAllowed = declareError('method_not_allowed', 405)
export const bodyTooLarge = declareError('body_too_large', 413)
export const mediaTypeUnsupported = declareError('media_type_unsupported', 415)
export const contentEncodingUnsupported = declareError('content_encoding_unsupported', 415)
export const requestMalformed = declareError('request_malformed', 400)
export const fieldRepeated = declareError('field_repeated', 400)
export const fieldsInvalid = declareError('fields_invalid', 400)
export const parameterTooDeep = declareError('parameter_too_deep', 400)
export const parameterTooLong = declareError('parameter_too_long', 400)
export const csrfFailed = declareError('csrf_failed', 403)
export const listenAddressTaken = declareError('address_taken', 503)
export const listenAddressForbidden = declareError('address_forbidden', 503)
export const listenAddressElsewhere = declareError('address_elsewhere', 503)
const internalError = declareError('internal_error', 500)

type Deps = {
  views: Views
  sentences: Sentences
  log: Log
  /**
   * Whether the engine serves the path. JSON errors at this path use the names of RFC 6749 §5.2,
   * with our code added.
   */
  isProtocolPath: (path: string) => boolean
}

/**
 * Answers a known error with its status, code and message, and any other with 500 and the request
 * id. Install it after request id, access log and headers.
 */
export function answerErrors({ views, sentences, log, isProtocolPath }: Deps): Middleware {
  return async (ctx, next) => {
    try {
      await next()
      if (ctx.status === 404 && ctx.body == null && !ctx.headerSent) throw notFound()
    } catch (thrown) {
      const error = toAppError(thrown)
      ctx.state.errorCode = error.code
      if (error.status >= 500) {
        const cause = error.cause ?? error
        log[error.status === 503 ? 'warn' : 'error'](
          { requestId: requestIdOf(ctx), errorCode: error.code, err: cause },
          'request failed',
        )
      }
      if (ctx.headerSent) return
      clearAnswer(ctx, error)
      if (wantsPage(ctx)) await answerPage(ctx, error)
      else answerJson(ctx, error)
    }
  }

  async function answerPage(ctx: Context, error: AppError): Promise<void> {
    const { status, code, params } = error
    try {
      const isRetryable = status === 503 || status === 429
      views.render(ctx, 'error', { status, code, params, requestId: requestIdOf(ctx), isRetryable })
    } catch (cause) {
      log.error({ requestId: requestIdOf(ctx), err: cause }, 'the error page failed')
      ctx.type = 'text'
      ctx.body = `${code} ${requestIdOf(ctx)}\n`
    }
    ctx.status = status
  }

  function answerJson(ctx: Context, error: AppError): void {
    const { status, code, params } = error
    const sentence = sentences.has(`errors.${code}`) ? sentences.t(`errors.${code}`, params) : code
    ctx.body = isProtocolPath(ctx.path)
      ? {
          error: protocolCode(status),
          error_description: asErrorDescription(sentence),
          code,
          request_id: requestIdOf(ctx),
        }
      : { error: code, error_description: sentence, request_id: requestIdOf(ctx) }
    ctx.status = status
  }
}

/**
 * The failure that the client may see. Koa's own refusals keep their status; all others are hidden.
 */
function toAppError(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown
  const { status, expose } = Object(thrown) as { status?: unknown; expose?: unknown }
  if (expose === true && typeof status === 'number' && status >= 400 && status < 500) {
    const known = [notFound, methodNotAllowed, bodyTooLarge, mediaTypeUnsupported].map((make) =>
      make({ cause: thrown }),
    )
    return known.find((error) => error.status === status) ?? requestMalformed({ cause: thrown })
  }
  return internalError({ cause: thrown })
}

/**
 * Removes what the failed handler had already set, so that an error is never cached and never
 * redirects.
 */
function clearAnswer(ctx: Context, error: AppError): void {
  for (const header of [
    'Location',
    'ETag',
    'Last-Modified',
    'Content-Disposition',
    'Content-Encoding',
    'Content-Language',
  ]) {
    ctx.remove(header)
  }
  ctx.body = null
  ctx.set('Cache-Control', 'no-store')
  const retryAfter = error.retryAfterSeconds ?? (error.status === 503 ? 5 : undefined)
  if (retryAfter !== undefined) ctx.set('Retry-After', String(Math.max(1, Math.ceil(retryAfter))))
  if (error.status === 405 && error.params.allow) ctx.set('Allow', String(error.params.allow))
  // The rest of the body is not read, so the connection cannot be used again (RFC 9110 §15.5.14).
  if (error.status === 413) ctx.set('Connection', 'close')
}

function wantsPage(ctx: Context): boolean {
  const kind = ctx.state.route?.kind as string | undefined
  if (kind) return kind === 'page' || kind === 'form'
  return ctx.accepts('json', 'html') === 'html'
}

/** RFC 6749 §4.1.2.1 and §5.2: the nearest standard name for a refusal before the engine. */
function protocolCode(status: number): string {
  if (status === 503 || status === 429) return 'temporarily_unavailable'
  if (status >= 500) return 'server_error'
  return status === 403 ? 'access_denied' : 'invalid_request'
}

/** RFC 6749 §5.2 allows printable ASCII without the double quote and the backslash. */
const asErrorDescription = (sentence: string): string => sentence.replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, "'")
