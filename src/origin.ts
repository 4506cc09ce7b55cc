/** Where a change comes from: the request that asked for it, or a process that acts without one. */

/** `ip` is the address of the client, behind the configured proxies. */
export type RequestOrigin = Readonly<{ requestId: string; ip: string }>

/** `command` is what an operator typed; `job` is a duty, a delivery of the outbox, or the start of a process. */
export type Origin = RequestOrigin | Readonly<{ command: string }> | Readonly<{ job: string }>

/** What is read of Koa's context. */
type RequestContext = Readonly<{ ip: string; state: Readonly<Record<string, unknown>> }>

/** The origin of what this request changes. */
export const originOf = ({ ip, state }: RequestContext): RequestOrigin => ({ requestId: state.requestId as string, ip })
