/** Why a request to the outside gave nothing. Never an answer to a caller of ours: whoever asked decides what it means. */

export const outboundReasons = [
  /** The address is none that may be called: not https, another port, a user or a fragment in it, or no public address behind it. */
  'refused',
  /** The other side answered with a redirect. */
  'redirected',
  /** The answer is longer than it may be, or compressed. */
  'too_large',
  /** It took longer than it may, from the first step to the last byte. */
  'timeout',
  /** Too many requests to the outside are under way. */
  'busy',
  /** No connection, no valid certificate, or a connection that broke. */
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
