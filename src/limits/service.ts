/** Rate limits, shared through Redis or Postgres. Without a store, each process counts alone. */
import { createHmac, createSecretKey } from 'node:crypto'
import { Counter } from 'prom-client'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { State, TakeRequest, Verdict } from './algorithms.ts'
import { judge } from './algorithms.ts'
import type { Answer } from './leases.ts'
import { createLeases, leaseDivisor } from './leases.ts'
import { createLocalCount } from './local-count.ts'
import { createMemoryStore } from './memory.ts'
import type { LimitSettings, Policy, PolicyName } from './policies.ts'
import { limitOf, policies } from './policies.ts'
import type { LimitStore } from './store.ts'

export type { PolicyName } from './policies.ts'

type Deps = {
  /** In the order in which they are tried. */
  stores: readonly LimitStore[]
  settings: { get: () => LimitSettings }
  /** Normalises typed text. */
  canonical: (typed: string) => string
  /** The part of an IP address that is counted. */
  countedIp: (ip: string) => string
  /** The wider network that is also counted, if any. */
  countedNetwork: (ip: string) => string | undefined
  /** The key of the digests: stores never contain typed text. */
  digestKey: Buffer
  sweepRows: (before: number, most: number) => Promise<number>
  clock: Clock
  log: Log
  metrics: Metrics
}

/** What is counted: an IP address or an identifier. `ownTokenLimit` replaces a client's setting. */
export type RateLimitSubject = Readonly<
  { ip: string } | { network: string } | { identifier: string; ownTokenLimit?: number }
>

export type Outcome = Readonly<{
  isAllowed: boolean
  policy: PolicyName
  /** Infinity when nothing is counted. */
  limit: number
  windowSeconds: number
  remaining: number
  /** Seconds until the full limit is available. */
  resetSeconds: number
  /** Seconds until one is available; 0 when one is. */
  retryAfterSeconds: number
}>

export type Limits = ReturnType<typeof createLimits>

/** The limit of a network is this many times the limit of one IP address. */
const networkFactor = 10
const maxKeys = 20_000
const unlimited: Answer = { isGranted: true, remaining: Number.POSITIVE_INFINITY, resetMs: 0, retryMs: 0 }
/** After this time the next store is asked. */
const storeTimeoutMs = 2_500
/** A failed store is not asked again for this time. */
const pauseMs = 1_000
const sweepBatchSize = 1_000

export function createLimits(deps: Deps) {
  const { clock, log, metrics, settings } = deps
  const digestKey = createSecretKey(deps.digestKey)
  const memory = createMemoryStore({ maxKeys })
  const stores = deps.stores.map((store) => ({ store, pausedUntil: Number.NEGATIVE_INFINITY }))
  const limited = new Counter({
    name: 'latchkey_rate_limited_total',
    help: 'Requests that were refused by a limit, by policy and by what was counted',
    labelNames: ['policy', 'by'],
    registers: [metrics],
  })
  const failures = new Counter({
    name: 'latchkey_rate_limit_store_failures_total',
    help: 'Times a store did not answer and the next one counted instead, in the end this process alone',
    labelNames: ['store'],
    registers: [metrics],
  })

  /**
   * This process counts as well, so that an emptied or replaced store does not grant the limit
   * twice. Its own count is never above the shared count, so a working store decides.
   */
  async function takeFrom(key: string, ask: TakeRequest): Promise<State> {
    const digest = createHmac('sha256', digestKey).update(`${ask.algorithm}\0${key}`).digest()
    const shared = await takeFromStores(digest, ask)
    const own = await memory.take(digest, { ...ask, wanted: shared?.granted ?? ask.wanted })
    return shared && shared.granted <= own.granted ? shared : own
  }

  async function takeFromStores(digest: Buffer, ask: TakeRequest): Promise<State | undefined> {
    for (const entry of stores) {
      if (performance.now() < entry.pausedUntil) continue
      try {
        return await within(storeTimeoutMs, entry.store.take(digest, ask))
      } catch (error) {
        entry.pausedUntil = performance.now() + pauseMs
        failures.inc({ store: entry.store.name })
        log.warn({ err: error, store: entry.store.name }, 'limits are counted elsewhere for now')
      }
    }
    return undefined
  }

  const ask = async (key: string, request: TakeRequest): Promise<Verdict> =>
    judge(await takeFrom(key, request), request)
  const leases = createLeases({ ask, now: clock.now, maxKeys })
  const local = createLocalCount({ now: clock.now, maxKeys })

  function describe(name: PolicyName, counted: RateLimitSubject) {
    const { algorithm, windowSeconds, identifier, isLeased, isLocalFirst }: Policy = policies[name]
    if ('ip' in counted) {
      const limit = limitOf(name, 'address', settings.get())
      return { key: `${name}\0a\0${deps.countedIp(counted.ip)}`, algorithm, windowSeconds, limit, isLeased }
    }
    if ('network' in counted) {
      const limit = networkFactor * limitOf(name, 'address', settings.get())
      return { key: `${name}\0n\0${counted.network}`, algorithm, windowSeconds, limit, isLeased }
    }
    const value = identifier === 'typed' ? deps.canonical(counted.identifier) : counted.identifier
    const limit = limitOf(name, 'identifier', settings.get(), counted.ownTokenLimit)
    return { key: `${name}\0i\0${value}`, algorithm, windowSeconds, limit, isLeased, isLocalFirst }
  }

  function toOutcome(name: PolicyName, counted: RateLimitSubject, limit: number, answer: Answer): Outcome {
    const { isGranted, remaining, resetMs, retryMs } = answer
    if (!isGranted) limited.inc({ policy: name, by: 'identifier' in counted ? 'identifier' : 'address' })
    return {
      isAllowed: isGranted,
      policy: name,
      limit,
      windowSeconds: policies[name].windowSeconds,
      remaining,
      resetSeconds: Math.ceil(resetMs / 1000),
      retryAfterSeconds: Math.ceil(retryMs / 1000),
    }
  }

  return {
    networkOf: deps.countedNetwork,

    /** Counts one request. Refused requests do not count. Never throws. */
    take: async (name: PolicyName, counted: RateLimitSubject): Promise<Outcome> => {
      const { key, algorithm, windowSeconds, limit, isLeased, isLocalFirst } = describe(name, counted)
      if (limit === Number.POSITIVE_INFINITY) return toOutcome(name, counted, limit, unlimited)
      const windowMs = windowSeconds * 1000
      const ownPart = isLocalFirst ? Math.floor(limit / leaseDivisor) : 0
      const used = ownPart > 0 ? local.count(key, windowMs) : 1
      if (used <= ownPart) {
        const resetMs = (windowMs * used) / limit
        return toOutcome(name, counted, limit, { isGranted: true, remaining: limit - used, resetMs, retryMs: 0 })
      }
      const request = { algorithm, limit: limit - ownPart, windowMs }
      const answer = await (isLeased ? leases.takeLeased(key, request) : leases.takeOne(key, request))
      return toOutcome(name, counted, limit, answer)
    },

    /** Counts an event other than a request. Returns whether the policy allows it. Never throws. */
    isFirst: async (name: PolicyName, identifier: string): Promise<boolean> => {
      const { key, algorithm, windowSeconds, limit } = describe(name, { identifier })
      return (await leases.takeOne(key, { algorithm, limit, windowMs: windowSeconds * 1000 })).isGranted
    },

    /** The refusal cached by this process. Counts nothing and asks no store. */
    knownRefusal: (name: PolicyName, counted: RateLimitSubject): Outcome | undefined => {
      const { key, limit } = describe(name, counted)
      const answer = leases.knownRefusal(key, limit)
      return answer && toOutcome(name, counted, limit, answer)
    },

    /** Deletes expired rows. Returns their number. */
    sweep: (): Promise<number> => deps.sweepRows(clock.now(), sweepBatchSize),
  }
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
