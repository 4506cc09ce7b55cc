/** What the protocol side refuses in its own name, and how a lost store reaches the engine as 503 instead of 500. */
import { errors } from 'oidc-provider'
import { AppError, declareError } from '../errors.ts'

export const jwksUnconfirmed = declareError('jwks_unconfirmed', 503)
const storeUnavailable = declareError('store_unavailable', 503)
export const interactionExpired = declareError('interaction_expired', 400)
/** Another answer was given to it, or this one more than a moment ago. */
export const interactionAnswered = declareError('interaction_answered', 409)
export const requestExpired = declareError('request_expired', 400)

/** How long a client should wait before it asks again while a store is away, in seconds. */
export const storeRetryAfterSeconds = 5

const isStoreFailure = (error: unknown): boolean =>
  (error instanceof AppError && error.status === 503) ||
  (error instanceof Error && ['ArtifactStoreUnavailable', 'KeyRingUnconfirmed'].includes(error.name))

/**
 * The engine's form of "a store is away". It is never sent by redirect: a browser that comes back finds the same request
 * (RFC 6749 §4.1.2.1 names temporarily_unavailable; RFC 9110 §15.6.4 the status).
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

/** Runs `work`; a lost store becomes the engine's temporarily_unavailable, everything else passes. Stands at every use of a store. */
export function asEngineFailure<T>(work: () => Promise<T>): Promise<T> {
  return work().catch(refuse)
}

/**
 * Middleware around everything that touches the artifact store: what the engine could not answer itself (a session that could not be
 * saved, a flush that failed, a request that could not be parked) becomes our own 503.
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
