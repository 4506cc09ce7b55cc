/** The errors of the protocol side, and the conversion of a failed store to 503 in the engine. */
import { errors } from 'oidc-provider'
import { AppError, declareError } from '../errors.ts'

export const jwksUnconfirmed = declareError('jwks_unconfirmed', 503)
const storeUnavailable = declareError('store_unavailable', 503)
export const interactionExpired = declareError('interaction_expired', 400)
/** The interaction has another answer already, or got this one more than a moment ago. */
export const interactionAnswered = declareError('interaction_answered', 409)
export const requestExpired = declareError('request_expired', 400)

/**
 * How long a client should wait before the next attempt while a store is unavailable, in seconds.
 */
export const storeRetryAfterSeconds = 5

const isStoreFailure = (error: unknown): boolean =>
  (error instanceof AppError && error.status === 503) ||
  (error instanceof Error && ['ArtifactStoreUnavailable', 'KeyRingUnconfirmed'].includes(error.name))

/**
 * The engine's error for an unavailable store (RFC 6749 §4.1.2.1: temporarily_unavailable, RFC 9110
 * §15.6.4). It is not sent by redirect, so that the browser can repeat the request.
 */
const temporarilyUnavailable = (cause: unknown): Error =>
  Object.assign(new errors.TemporarilyUnavailable('a store is unavailable, try again later'), {
    cause,
    status: 503,
    statusCode: 503,
    expose: true,
    allow_redirect: false,
  })

function refuse(error: unknown): never {
  throw isStoreFailure(error) ? temporarilyUnavailable(error) : error
}

/**
 * Runs `work`, and converts the failure of a store to the engine's temporarily_unavailable. Every
 * use of a store needs it.
 */
export function asEngineFailure<T>(work: () => Promise<T>): Promise<T> {
  return work().catch(refuse)
}

/**
 * Middleware that converts store failures outside the engine's own error handling to our 503: a
 * session that was not saved, a failed flush, a request that was not parked.
 */
export async function answerLostStores(_ctx: unknown, next: () => Promise<unknown>): Promise<void> {
  try {
    await next()
  } catch (error) {
    throw asAppError(error)
  }
}

function asAppError(error: unknown): unknown {
  if (error instanceof AppError) return error
  const status = (error as { status?: number } | undefined)?.status
  if (isStoreFailure(error) || status === 503) {
    return storeUnavailable({ cause: error, retryAfterSeconds: storeRetryAfterSeconds })
  }
  return error
}
