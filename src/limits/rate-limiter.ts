/** The rate limiter of requests: counts, writes the headers of the limit, and refuses with 429. */
import type { Context } from 'koa'
import { tooManyRequests } from './errors.ts'
import type { Limits, Outcome, PolicyName } from './service.ts'

type RequestContext = Pick<Context, 'state' | 'ip'>

export type RateLimiter = ReturnType<typeof createRateLimiter>

/**
 * Reset is in seconds, because clocks differ. `RateLimit` and `RateLimit-Policy`:
 * draft-ietf-httpapi-ratelimit-headers-10 §3 and §4, structured fields (RFC 9651).
 */
function writeHeaders({ res }: Context, { policy, limit, windowSeconds, remaining, resetSeconds }: Outcome): void {
  res.setHeader('X-RateLimit-Limit', limit)
  res.setHeader('X-RateLimit-Remaining', remaining)
  res.setHeader('X-RateLimit-Reset', resetSeconds)
  res.setHeader('RateLimit-Policy', `"${policy}";q=${limit};w=${windowSeconds}`)
  res.setHeader('RateLimit', `"${policy}";r=${remaining};t=${resetSeconds}`)
}

/**
 * Middleware that writes the headers once. Of several limits of a request it writes the last: the
 * one of the client or account, or the one that refuses.
 */
export async function writeLimitHeaders(ctx: Context, next: () => Promise<unknown>): Promise<void> {
  try {
    await next()
  } finally {
    const outcome = ctx.state.limitOutcome as Outcome | undefined
    if (outcome && !ctx.headerSent) writeHeaders(ctx, outcome)
  }
}

function admit(ctx: RequestContext, outcome: Outcome): void {
  if (outcome.limit !== Number.POSITIVE_INFINITY) ctx.state.limitOutcome = outcome
  if (outcome.isAllowed) return
  const { retryAfterSeconds } = outcome
  throw tooManyRequests({ params: { minutes: Math.ceil(retryAfterSeconds / 60) }, retryAfterSeconds })
}

export function createRateLimiter({
  limits,
}: {
  limits: Pick<Limits, 'take' | 'networkOf' | 'isFirst' | 'knownRefusal'>
}) {
  return {
    /** Counts the request for its IP address. All these functions throw too_many_requests (429). */
    countIp: async (ctx: RequestContext, policy: PolicyName): Promise<void> => {
      const network = limits.networkOf(ctx.ip)
      if (network !== undefined) admit(ctx, await limits.take(policy, { network }))
      admit(ctx, await limits.take(policy, { ip: ctx.ip }))
    },

    /** Counts the request for a client, an account, or typed text. */
    countIdentifier: async (
      ctx: RequestContext,
      policy: PolicyName,
      identifier: string,
      ownTokenLimit?: number,
    ): Promise<void> =>
      admit(ctx, await limits.take(policy, { identifier, ...(ownTokenLimit !== undefined && { ownTokenLimit }) })),

    /** Counts an event other than a request. Returns whether the policy allows it. */
    isFirst: limits.isFirst,

    /** Counts nothing. Refuses only what this process already knows to be over the limit. */
    refuseKnown: (ctx: RequestContext, policy: PolicyName, identifier?: string): void => {
      const refusal = limits.knownRefusal(policy, identifier === undefined ? { ip: ctx.ip } : { identifier })
      if (refusal) admit(ctx, refusal)
    },
  }
}
