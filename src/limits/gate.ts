/** Limits as a request meets them: the headers of every answer, and the refusal. */
import type { Context } from 'koa'
import { tooManyRequests } from './errors.ts'
import type { Limits, Outcome, PolicyName } from './service.ts'

type RequestContext = Pick<Context, 'set' | 'ip'>

export type Gate = ReturnType<typeof createGate>

/**
 * Reset is in seconds, because clocks differ. Of several limits of one request the last one is told: the one of the client or person, or the
 * one that refuses. `RateLimit` and `RateLimit-Policy` are draft-ietf-httpapi-ratelimit-headers-10 §3 and §4: structured fields (RFC 9651).
 */
function tell(ctx: RequestContext, { policy, limit, windowSeconds, remaining, resetSeconds }: Outcome): void {
  if (limit === Number.POSITIVE_INFINITY) return
  ctx.set('X-RateLimit-Limit', String(limit))
  ctx.set('X-RateLimit-Remaining', String(remaining))
  ctx.set('X-RateLimit-Reset', String(resetSeconds))
  ctx.set('RateLimit-Policy', `"${policy}";q=${limit};w=${windowSeconds}`)
  ctx.set('RateLimit', `"${policy}";r=${remaining};t=${resetSeconds}`)
}

function admit(ctx: RequestContext, outcome: Outcome): void {
  tell(ctx, outcome)
  if (outcome.isAllowed) return
  const { retryAfterSeconds } = outcome
  throw tooManyRequests({ params: { minutes: Math.ceil(retryAfterSeconds / 60) }, retryAfterSeconds })
}

export function createGate({ limits }: { limits: Pick<Limits, 'take' | 'networkOf' | 'isFirst' | 'knownRefusal'> }) {
  return {
    /** Counts the request at its address. All of these throw too_many_requests (429). */
    countAddress: async (ctx: RequestContext, policy: PolicyName): Promise<void> => {
      const network = limits.networkOf(ctx.ip)
      if (network !== undefined) admit(ctx, await limits.take(policy, { network }))
      admit(ctx, await limits.take(policy, { address: ctx.ip }))
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
      const refusal = limits.knownRefusal(policy, identifier === undefined ? { address: ctx.ip } : { identifier })
      if (refusal) admit(ctx, refusal)
    },
  }
}
