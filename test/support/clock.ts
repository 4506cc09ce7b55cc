/** A clock that a test holds in its hand. It stands still until moved, and Date stands with it, for the engine and every package. */
import type { Clock } from '../../src/clock.ts'

export type TestClock = Clock & {
  advance: (ms: number) => void
  set: (ms: number) => void
  /** Gives Date back. Not needed at the end of a test file: each has its own. */
  restore: () => void
}

const SystemDate = globalThis.Date

/**
 * A clock at `startMs` (milliseconds since the epoch; now when left out). The last one made in a file moves Date. Timers are not touched,
 * and `performance.now()` goes on: wait by `waitFor`, never by comparing Dates.
 */
export function createTestClock(startMs: number = SystemDate.now()): TestClock {
  let nowMs = startMs
  // A proxy rather than a subclass, so that `instanceof Date` and Date's own statics stay what they are.
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
