/** A clock that only the test moves. Date in every package shows the same time. */
import type { Clock } from '../../src/clock.ts'

export type TestClock = Clock & {
  advance: (ms: number) => void
  set: (ms: number) => void
  /** Restores Date. Not needed at the end of a test file: each file has its own. */
  restore: () => void
}

const SystemDate = globalThis.Date

/**
 * A clock at `startMs` (milliseconds since the epoch; now by default). The last one sets Date.
 * Timers and `performance.now()` keep running: wait with `waitFor`, never by comparing Dates.
 */
export function createTestClock(startMs: number = SystemDate.now()): TestClock {
  let nowMs = startMs
  // A proxy, not a subclass, so that `instanceof Date` and Date's statics are unchanged.
  globalThis.Date = new Proxy(SystemDate, {
    construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [nowMs] : args, newTarget),
    apply: () => new SystemDate(nowMs).toString(),
    get: (target, name, receiver) => (name === 'now' ? () => nowMs : Reflect.get(target, name, receiver)),
  })
  return {
    now: () => nowMs,
    advance: (ms) => {
      nowMs += ms
    },
    set: (ms) => {
      nowMs = ms
    },
    restore: () => {
      globalThis.Date = SystemDate
    },
  }
}
