/**
 * A clock that follows the database's clock, so that all processes of one database have the same
 * time (docs/decisions/0109 and docs/decisions/0172).
 */
import type { Clock } from './clock.ts'
import type { Log } from './log.ts'

/**
 * How far the database's clock is ahead of ours, and the maximum error: half the round trip.
 * Milliseconds.
 */
export type ClockOffset = Readonly<{ offsetMs: number; uncertaintyMs: number }>

export type FollowingClock = Clock & {
  /**
   * Measures again; called with each read of the key ring. Never rejects: without an answer the
   * last offset stays.
   */
  follow: () => Promise<void>
  /**
   * Whether the system clock is accurate enough for parts that use it alone, such as the engine.
   */
  isRight: () => boolean
}

type Deps = {
  system: Clock
  /** Undefined: the system clock is used unchanged. */
  measure: (() => Promise<ClockOffset>) | undefined
  log: Log
  /** Milliseconds of a clock that is never changed. */
  monotonic?: () => number
}

const warnedMs = 1_000
const wrongMs = 5_000
/** A measurement that took longer is ignored. */
const maxUncertainMs = 1_000
/** The system clock is read in whole milliseconds. */
const readingMs = 1
/** A smaller difference is ignored. */
const toleratedMs = 10

/**
 * `system` plus the measured offset. Time never goes back, except by more than five seconds: the
 * clock follows a smaller step back at half speed, and a step forward at once.
 */
export function createFollowingClock({
  system,
  measure,
  log,
  monotonic = () => performance.now(),
}: Deps): FollowingClock {
  let target = 0
  let applied = 0
  let since = monotonic()
  let isMeasured = false
  let isWarned = false

  function slowDown(): void {
    const at = monotonic()
    applied = Math.max(target, applied - (at - since) / 2)
    since = at
  }

  function aim(offsetMs: number): void {
    target = offsetMs
    since = monotonic()
    if (target > applied || applied - target > wrongMs || !isMeasured) applied = target
    const isOff = Math.abs(target) > warnedMs
    if (isOff && !isWarned) log.warn({ offsetMs: target }, 'the system clock differs from the database clock')
    if (!isOff && isWarned) log.info({ offsetMs: target }, 'the system clock agrees with the database clock again')
    isWarned = isOff
  }

  return {
    now: () => {
      if (applied !== target) slowDown()
      return system.now() + Math.round(applied)
    },
    follow: async () => {
      try {
        const measured = await measure?.()
        if (!measured || measured.uncertaintyMs > maxUncertainMs) return
        const { offsetMs, uncertaintyMs } = measured
        // Corrects only by the certain part: the whole round trip may have been in one direction.
        const wrongBy = offsetMs - target
        const certainMs = Math.abs(wrongBy) - uncertaintyMs
        if (certainMs > readingMs && Math.abs(wrongBy) > toleratedMs) {
          aim(Math.round(target + Math.sign(wrongBy) * certainMs))
        }
        isMeasured = true
      } catch (error) {
        log.debug({ err: error }, 'the clock of the database was not read')
      }
    },
    isRight: () => Math.abs(target) <= wrongMs,
  }
}
