/**
 * A circuit breaker for the mail server: after a failed connection other emails fail at once for
 * two seconds.
 */
import type { Transport } from './transport.ts'

type Options = {
  /** Milliseconds from some fixed moment. */
  monotonicMs?: () => number
}

/** Long enough to give every email that is due back to the queue, short enough not to be noticed when the server is back. */
const pauseMs = 2_000

/** What nodemailer says when there is no connection, or none that answers. */
const unreachable = ['ECONNECTION', 'ECONNREFUSED', 'ETIMEDOUT', 'ESOCKET', 'EDNS']

/**
 * The same transport; for two seconds after a failed connection every other email fails at once (`EPAUSED`). The queue has few places, which
 * notifications of other kinds share: hundreds of emails must not hold them for five seconds each.
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
