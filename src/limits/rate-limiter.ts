/** The rate limiter of requests: counts, writes the headers of the limit, and refuses with 429. */
import type { Context } from 'koa'
import { tooManyRequests } from './errors.ts'
import type { Limits, Outcome, PolicyName } from './service.ts'

type RequestContext = Pick<Context, 'state' | 'ip'>

export type RateLimiter = ReturnType<typeof createRateLimiter>

/**
 * Reset is in seconds, because clocks differ. `RateLimit` and `RateLimit-Policy` are draft-ietf-httpapi-ratelimit-headers-10 §3 and §4:
 * structured fields (RFC 9651).
 */
function writeHeaders({ res }: Context, { policy, limit, windowSeconds, remaining, resetSeconds }: Outcome): void {
  res.setHeader('X-RateLimit-Limit', limit)
  res.setHeader('X-RateLimit-Remaining', remaining)
  res.setHeader('X-RateLimit-Reset', resetSeconds)
  res.setHeader('RateLimit-Policy', `"${policy}";q=${limit};w=${windowSeconds}`)
  res.setHeader('RateLimit', `"${policy}";r=${remaining};t=${resetSeconds}`)
}

/**
 * Middleware in front of everything that counts: writes the headers once. Of several limits of one request the last one is told: the one of
 * the client or person, or the one that refuses.
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
    /** Counts the request at its address. All of these throw too_many_requests (429). */
    countIp: async (ctx: RequestContext, policy: PolicyName): Promise<void> => {
      const network = limits.networkOf(ctx.ip)
      if (network !== undefined) admit(ctx, await limits.take(policy, { network }))
      admit(ctx, await limits.take(policy, { ip: ctx.ip }))
    },

    /** Counts it for a client, an account, or what was typed. */
    countIdentifier: async (
      ctx: RequestContext,
      policy: PolicyName,
      identifier: string,
      ownTokenLimit?: number,
    ): Promise<void> =>
      admit(ctx, await limits.take(policy, { identifier, ...(ownTokenLimit !== undefined && { ownTokenLimit }) })),

    /** Counts something that is no request; gives whether the policy still allowed it. */
    isFirst: limits.isFirst,

    /** Counts nothing: refuses only what this process knows to be too much. */
    refuseKnown: (ctx: RequestContext, policy: PolicyName, identifier?: string): void => {
      const refusal = limits.knownRefusal(policy, identifier === undefined ? { ip: ctx.ip } : { identifier })
      if (refusal) admit(ctx, refusal)
    },
  }
}
