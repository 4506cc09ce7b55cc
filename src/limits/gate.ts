/** Limits as a request meets them: the headers of every answer, and the refusal. */
import type { Context } from 'koa'
import { tooManyRequests } from './errors.ts'
import type { Limits, Outcome, PolicyName } from './service.ts'

type RequestContext = Pick<Context, 'set' | 'ip'>

export type Gate = ReturnType<typeof createGate>

/**
 * Seconds, as in draft-ietf-httpapi-ratelimit-headers, because clocks differ. Of several limits of one request the last one is told: the one
 * of the client or person, or the one that refuses.
 */
function tell(ctx: RequestContext, { limit, remaining, resetSeconds }: Outcome): void {
  ctx.set('X-RateLimit-Limit', String(limit))
  ctx.set('X-RateLimit-Remaining', String(remaining))
  ctx.set('X-RateLimit-Reset', String(resetSeconds))
}

function admit(ctx: RequestContext, outcome: Outcome): void {
  tell(ctx, outcome)
  if (outcome.isAllowed) return
  const { retryAfterSeconds } = outcome
  throw tooManyRequests({ params: { minutes: Math.ceil(retryAfterSeconds / 60) }, retryAfterSeconds })
}

export function createGate({ limits }: { limits: Pick<Limits, 'take' | 'knownRefusal'> }) {
  return {
    /** Counts the request at its address. All of these throw too_many_requests (429). */
    countAddress: async (ctx: RequestContext, policy: PolicyName): Promise<void> =>
      admit(ctx, await limits.take(policy, { address: ctx.ip })),

    /** Counts it for a client, an account, or what was typed. */
    countIdentifier: async (
      ctx: RequestContext,
      policy: PolicyName,
      identifier: string,
      ownTokenLimit?: number,
    ): Promise<void> =>
      admit(ctx, await limits.take(policy, { identifier, ...(ownTokenLimit !== undefined && { ownTokenLimit }) })),

    /** Counts nothing: refuses only what this process knows to be too much. */
    refuseKnown: (ctx: RequestContext, policy: PolicyName, identifier?: string): void => {
      const refusal = limits.knownRefusal(policy, identifier === undefined ? { address: ctx.ip } : { identifier })
      if (refusal) admit(ctx, refusal)
    },
  }
}
