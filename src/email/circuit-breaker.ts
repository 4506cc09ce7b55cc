/** A circuit breaker: after a failed connection, emails fail immediately for two seconds. */
import type { Transport } from './transport.ts'

type Options = {
  /** A monotonic clock in milliseconds. */
  monotonicMs?: () => number
}

/**
 * Long enough to return all due emails to the queue, and too short to be noticed after the outage.
 */
const pauseMs = 2_000

/** Errors of nodemailer without a connection or an answer. */
const unreachable = ['ECONNECTION', 'ECONNREFUSED', 'ETIMEDOUT', 'ESOCKET', 'EDNS']

/**
 * Wraps the transport; emails fail immediately (`EPAUSED`) for two seconds after a failed
 * connection. Otherwise hundreds of emails would block the shared queue for five seconds each.
 */
export function withCircuitBreaker(
  transport: Transport,
  { monotonicMs = () => performance.now() }: Options = {},
): Transport {
  let pausedUntil = Number.NEGATIVE_INFINITY
  return {
    check: transport.check,
    send: async (message) => {
      if (monotonicMs() < pausedUntil) {
        throw Object.assign(new Error('the mail server could not be reached a moment ago'), { code: 'EPAUSED' })
      }
      try {
        await transport.send(message)
      } catch (error) {
        if (unreachable.includes(String((error as { code?: unknown }).code))) pausedUntil = monotonicMs() + pauseMs
        throw error
      }
    },
  }
}
