/** Leases: tokens that a process takes from the store in advance, and refusals that it caches. */
import type { TakeRequest, Verdict } from './algorithms.ts'

/** The answer for one key. */
export type Answer = Readonly<{ isGranted: boolean; remaining: number; resetMs: number; retryMs: number }>

type Lease = {
  limit: number
  /** The store has no token for the key before this time. */
  refusedUntil: number
  /** Taken from the store and not used yet. */
  left: number
  /** How many are taken at once: about as many as are used within a second. */
  size: number
  verdictAt: number
  verdict: Verdict
  waiting: number
  renewal: Promise<void> | undefined
}

type Deps = {
  ask: (key: string, ask: TakeRequest) => Promise<Verdict>
  now: () => number
  maxKeys: number
}

type LimitRequest = Omit<TakeRequest, 'wanted' | 'now'>

/** A process leases at most one twentieth of a limit. It can exceed the limit by that much. */
export const leaseDivisor = 20
const maxLeaseSize = 1000
const leaseTargetMs = 1000

const noTokens: Verdict = { granted: 0, remaining: 0, resetMs: 0, retryMs: 0 }

export function createLeases({ ask, now, maxKeys }: Deps) {
  const known = new Map<string, Lease>()

  function leaseOf(key: string, limit: number): Lease {
    const lease = known.get(key)
    // Tokens and refusals of another limit do not apply to this one.
    if (lease?.limit === limit) return lease
    const fresh: Lease = {
      limit,
      refusedUntil: 0,
      left: 0,
      size: 1,
      verdictAt: 0,
      verdict: noTokens,
      waiting: 0,
      renewal: undefined,
    }
    known.set(key, fresh)
    if (known.size > maxKeys) known.delete(known.keys().next().value!)
    return fresh
  }

  function answer(lease: Lease, isGranted: boolean): Answer {
    const { verdict: heard, verdictAt, left } = lease
    return {
      isGranted,
      remaining: isGranted ? heard.remaining + left : 0,
      resetMs: Math.max(0, heard.resetMs - Math.max(0, now() - verdictAt)),
      retryMs: isGranted ? 0 : Math.max(1, lease.refusedUntil - now()),
    }
  }

  function applyVerdict(lease: Lease, verdict: Verdict, wanted: number): void {
    lease.verdict = verdict
    lease.verdictAt = now()
    lease.left += verdict.granted
    // Fewer than wanted means that none is left, so the next requests need not ask the store.
    if (verdict.granted < wanted) lease.refusedUntil = now() + Math.max(1, verdict.retryMs)
  }

  const refusalOf = (lease: Lease): Answer | undefined =>
    now() < lease.refusedUntil ? answer(lease, false) : undefined

  /** Asks the store for each request, except after a cached refusal. */
  async function takeOne(key: string, request: LimitRequest): Promise<Answer> {
    const lease = leaseOf(key, request.limit)
    const refusal = refusalOf(lease)
    if (refusal) return refusal
    const verdict = await ask(key, { ...request, wanted: 1, now: now() })
    applyVerdict(lease, verdict, 1)
    lease.left = 0
    return answer(lease, verdict.granted === 1)
  }

  async function renewLease(lease: Lease, key: string, request: LimitRequest): Promise<void> {
    const usedUpMs = now() - lease.verdictAt
    const most = Math.min(maxLeaseSize, Math.max(1, Math.floor(request.limit / leaseDivisor)))
    if (usedUpMs <= leaseTargetMs) lease.size = Math.min(most, lease.size * 2)
    else if (usedUpMs > 4 * leaseTargetMs) lease.size = Math.max(1, Math.floor(lease.size / 2))
    const wanted = Math.max(lease.size, lease.waiting)
    applyVerdict(lease, await ask(key, { ...request, wanted, now: now() }), wanted)
  }

  /** Takes from the lease, and renews it with one store request for all waiting requests. */
  async function takeLeased(key: string, request: LimitRequest): Promise<Answer> {
    const lease = leaseOf(key, request.limit)
    for (;;) {
      // A lease older than the window is discarded, because the bucket has refilled.
      if (lease.left > 0 && now() - lease.verdictAt > request.windowMs) lease.left = 0
      if (lease.left > 0) {
        lease.left -= 1
        return answer(lease, true)
      }
      const refusal = refusalOf(lease)
      if (refusal) return refusal
      lease.waiting += 1
      lease.renewal ??= renewLease(lease, key, request).finally(() => {
        lease.renewal = undefined
      })
      try {
        await lease.renewal
      } finally {
        lease.waiting -= 1
      }
    }
  }

  return {
    takeOne,
    takeLeased,
    /** The refusal cached by this process. Asks no store. */
    knownRefusal: (key: string, limit: number): Answer | undefined => {
      const lease = known.get(key)
      return lease?.limit === limit && lease.left === 0 ? refusalOf(lease) : undefined
    },
  }
}
