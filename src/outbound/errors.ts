/**
 * Why an outbound request failed. Never a response to our clients: the caller decides what it
 * means.
 */

export const outboundReasons = [
  /**
   * The URL may not be called: not https, another port, a user or a fragment in it, or no public IP
   * address.
   */
  'refused',
  /** The other server answered with a redirect. */
  'redirected',
  /** The response is too long or compressed. */
  'too_large',
  /** The request took too long, from the first step to the last byte. */
  'timeout',
  /** Too many outbound requests are running. */
  'busy',
  /** No connection, no valid certificate, or a broken connection. */
  'unreachable',
] as const
export type OutboundReason = (typeof outboundReasons)[number]

export class OutboundError extends Error {
  readonly reason: OutboundReason
  constructor(reason: OutboundReason, options: { cause?: unknown } = {}) {
    super(`outbound ${reason}`, options)
    this.name = 'OutboundError'
    this.reason = reason
  }
}
