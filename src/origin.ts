/** The origin of a change: the request that caused it, or a process that acts without one. */

/** `ip` is the IP address of the client, behind the configured proxies. */
export type RequestOrigin = Readonly<{ requestId: string; ip: string }>

/**
 * `command` is a command line of an administrator; `job` is a duty, a delivery of the outbox, or
 * the start of a process.
 */
export type Origin = RequestOrigin | Readonly<{ command: string }> | Readonly<{ job: string }>

/** The used part of Koa's context. */
type RequestContext = Readonly<{ ip: string; state: Readonly<Record<string, unknown>> }>

/** The origin of the changes of this request. */
export const originOf = ({ ip, state }: RequestContext): RequestOrigin => ({ requestId: state.requestId as string, ip })
