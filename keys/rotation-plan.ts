/** Plans the next transitions of the key ring from the clock alone. Reads and writes nothing. */
import type { KeyLife, KeyState, KeyTimes } from './states.ts'
import { dueState } from './states.ts'

export type PlannedKey = KeyLife & Readonly<{ id: string; kid: string; algorithm: string }>

export type Step = Readonly<
  | { do: 'make'; algorithm: string; state: 'announced' | 'active' }
  | { do: 'move'; key: PlannedKey; to: KeyState | 'removed' }
  /** A timestamp of the key lies in the future: its state begins now. */
  | { do: 'restart'; key: PlannedKey }
>

/**
 * The largest expected difference between the clocks of two machines. A timestamp further ahead
 * came from a wrong clock.
 */
const toleratedSkewMs = 5 * 60_000

/**
 * The steps that are due at `nowMs`, in order: the old key of an algorithm retires before the new
 * one becomes active, in one transaction. `algorithms` are the configured ones; keys of other
 * algorithms are retired and not replaced.
 */
export function planTransition(
  keys: readonly PlannedKey[],
  { algorithms, times, nowMs }: { algorithms: readonly string[]; times: KeyTimes; nowMs: number },
): Step[] {
  // No client has cached the JWKS of an empty ring: the first keys need no announcement.
  const firstState = keys.length === 0 ? 'active' : 'announced'
  const configured = algorithms.flatMap((algorithm) => {
    const own = keys.filter((key) => key.algorithm === algorithm)
    return planAlgorithm(algorithm, own, { times, nowMs, firstState })
  })
  const others = keys.filter((key) => !algorithms.includes(key.algorithm))
  return [...configured, ...others.flatMap((key) => planRetirement(key, times, nowMs))]
}

type PlanContext = { times: KeyTimes; nowMs: number; firstState: 'announced' | 'active' }

function planAlgorithm(algorithm: string, keys: readonly PlannedKey[], context: PlanContext): Step[] {
  const { times, nowMs, firstState } = context
  const early = keys.filter((key) => isAhead(key, nowMs))
  if (early.length > 0) return early.map((key) => ({ do: 'restart', key }))

  const steps: Step[] = keys
    .filter(({ state }) => state === 'created' || state === 'retired')
    .map((key) => ({ do: 'move' as const, key, to: dueState(key, times, nowMs) }))
    .filter(({ key, to }) => key.state !== to)
  const active = keys.find(({ state }) => state === 'active')
  const upcoming = keys.filter(({ state }) => state === 'announced' || state === 'created').sort(oldestFirst)
  const ready = upcoming.find((key) => dueState(key, times, nowMs) === 'active')
  if (ready) {
    if (active) steps.push({ do: 'move', key: active, to: 'retired' })
    steps.push({ do: 'move', key: ready, to: 'active' })
  } else if (upcoming.length === 0 && (!active || nowMs >= announcementAt(active, times))) {
    steps.push({ do: 'make', algorithm, state: active ? 'announced' : firstState })
  }
  return steps
}

/**
 * A key whose algorithm is no longer configured: it signs until it retires, and has no successor.
 */
function planRetirement(key: PlannedKey, times: KeyTimes, nowMs: number): Step[] {
  if (isAhead(key, nowMs)) return [{ do: 'restart', key }]
  const due = dueState(key, times, nowMs)
  const to = due === 'active' && key.state === 'announced' ? 'retired' : due
  return to === key.state ? [] : [{ do: 'move', key, to }]
}

/**
 * When the successor of an active key is announced, so that it is ready when the active key
 * retires.
 */
const announcementAt = ({ activatedAt = 0 }: KeyLife, times: KeyTimes): number =>
  activatedAt + times.activeMs - times.announcedMs

const isAhead = ({ createdAt, announcedAt = 0, activatedAt = 0, retiredAt = 0 }: KeyLife, nowMs: number): boolean =>
  Math.max(createdAt, announcedAt, activatedAt, retiredAt) > nowMs + toleratedSkewMs

const oldestFirst = (one: KeyLife, other: KeyLife): number =>
  (one.announcedAt ?? Infinity) - (other.announcedAt ?? Infinity)
