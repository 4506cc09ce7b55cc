/**
 * The three algorithms of rate limits. The Lua scripts and the SQL statements compute the same.
 * docs/decisions/0081 and docs/decisions/0082
 */

export const algorithmNames = ['token-bucket', 'sliding-counter', 'sliding-log'] as const
export type AlgorithmName = (typeof algorithmNames)[number]

/** A request to a store: up to `wanted` of `limit` within `windowMs`, at `now` (milliseconds). */
export type TakeRequest = Readonly<{
  algorithm: AlgorithmName
  limit: number
  windowMs: number
  wanted: number
  now: number
}>

/** The state of one key. */
export type State = Readonly<{
  /** How many of `wanted` the last request got. */
  granted: number
  /** Bucket: the time of `level`. Counter: the start of the window. */
  at: number
  /** Bucket: the tokens left. Counter: the requests in the window. */
  level: number
  /** Counter: the requests in the window before. */
  previous: number
  /** Log: the time of each request, oldest first. */
  hits: readonly number[]
}>

export type Verdict = Readonly<{
  granted: number
  /** How many more are available now. */
  remaining: number
  /** Time until the full limit is available. */
  resetMs: number
  /** Minimum time until one is available; 0 when one is. */
  retryMs: number
}>

type Algorithm = Readonly<{
  take: (state: State | undefined, ask: TakeRequest) => State
  judge: (state: State, ask: TakeRequest) => Verdict
}>

// Tolerates rounding errors of floats, like the Lua and SQL versions.
const epsilon = 1e-9

const wholeMs = (ms: number): number => Math.max(0, Math.ceil(ms - epsilon))
const atMost = (wanted: number, left: number): number => Math.min(wanted, Math.max(0, Math.floor(left + epsilon)))
const empty = { previous: 0, hits: [] }

// Clocks of machines differ, so a state from the future counts as from now.
const later = (at: number, now: number): number => Math.max(at, now)

const tokenBucket: Algorithm = {
  take(state, { limit, windowMs, wanted, now }) {
    const elapsed = state ? Math.max(0, now - state.at) : 0
    const level = state ? Math.min(limit, state.level + (elapsed * limit) / windowMs) : limit
    const granted = atMost(wanted, level)
    return { ...empty, granted, at: later(state?.at ?? now, now), level: level - granted }
  },
  judge({ granted, at, level }, { limit, windowMs, now }) {
    const behind = at - now
    const remaining = Math.max(0, Math.floor(level + epsilon))
    return {
      granted,
      remaining,
      resetMs: wholeMs(behind + ((limit - level) * windowMs) / limit),
      retryMs: remaining > 0 ? 0 : Math.max(1, wholeMs(behind + ((1 - level) * windowMs) / limit)),
    }
  },
}

const slidingCounter: Algorithm = {
  take(state, { limit, windowMs, wanted, now }) {
    const begun = Math.floor(now / windowMs) * windowMs
    const at = state ? Math.max(state.at, begun) : begun
    const isSame = state?.at === at
    const level = isSame ? state.level : 0
    const previous = isSame ? state.previous : state && state.at + windowMs === at ? state.level : 0
    const elapsed = later(at, now) - at
    const granted = atMost(wanted, limit - level - (previous * (windowMs - elapsed)) / windowMs)
    return { ...empty, granted, at, level: level + granted, previous }
  },
  judge({ granted, at, level, previous }, { limit, windowMs, now }) {
    const elapsed = later(at, now) - at
    const left = limit - level - (previous * (windowMs - elapsed)) / windowMs
    const remaining = Math.max(0, Math.floor(left + epsilon))
    const fromBegin = level > 0 ? 2 * windowMs : previous > 0 ? windowMs : 0
    return {
      granted,
      remaining,
      resetMs: wholeMs(at + fromBegin - now),
      retryMs: remaining > 0 ? 0 : Math.max(1, wholeMs(at + freeAfter(level, previous, limit, windowMs) - now)),
    }
  },
}

/**
 * Time from the window's start until one more fits. The weight of the previous window decreases in
 * this window; the weight of this window decreases in the next one.
 */
function freeAfter(level: number, previous: number, limit: number, windowMs: number): number {
  if (level + 1 <= limit) return windowMs - ((limit - level - 1) * windowMs) / previous
  return 2 * windowMs - ((limit - 1) * windowMs) / level
}

const slidingLog: Algorithm = {
  take(state, { limit, windowMs, wanted, now }) {
    const hits = (state?.hits ?? []).filter((hit) => hit > now - windowMs).sort((a, b) => a - b)
    const granted = atMost(wanted, limit - hits.length)
    return { granted, at: now, level: 0, previous: 0, hits: [...hits, ...Array<number>(granted).fill(now)] }
  },
  judge({ granted, hits }, { limit, windowMs, now }) {
    const remaining = Math.max(0, limit - hits.length)
    const leaves = (hit: number | undefined) => (hit === undefined ? 0 : Math.max(0, hit + windowMs - now))
    return {
      granted,
      remaining,
      resetMs: leaves(hits.at(-1)),
      retryMs: remaining > 0 ? 0 : Math.max(1, leaves(hits[hits.length - limit])),
    }
  },
}

const algorithms: Readonly<Record<AlgorithmName, Algorithm>> = {
  'token-bucket': tokenBucket,
  'sliding-counter': slidingCounter,
  'sliding-log': slidingLog,
}

export const takeFrom = (state: State | undefined, ask: TakeRequest): State =>
  algorithms[ask.algorithm].take(state, ask)

export const judge = (state: State, ask: TakeRequest): Verdict => algorithms[ask.algorithm].judge(state, ask)

/** The time after which the state has no effect, in milliseconds of the server's clock. */
export const expiresAt = ({ windowMs, now }: TakeRequest): number => now + 2 * windowMs
