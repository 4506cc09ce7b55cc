/** Bounds how many hashes are computed at once and how many may wait, so that a flood of sign-ins does not starve everything else. */
import { hashingBusy } from './errors.ts'

type Options = {
  slots: number
  queue: number
  /** Milliseconds from some fixed moment, for the length of a run. */
  monotonicMs?: () => number
}

/** `slots` works at a time, first come first served; `queue` more wait, and whoever comes then gets hashingBusy. */
export function createPool({ slots, queue, monotonicMs = () => performance.now() }: Options) {
  const waiting: (() => void)[] = []
  let running = 0
  let usualMs = 250

  // When the whole queue will be through, as far as the latest runs tell (RFC 9110 §10.2.3).
  const retryAfterSeconds = () =>
    Math.min(30, Math.max(1, Math.ceil((usualMs * (waiting.length + running)) / slots / 1000)))

  async function run<T>(work: () => Promise<T>): Promise<T> {
    if (running >= slots) {
      if (waiting.length >= queue) throw hashingBusy({ retryAfterSeconds: retryAfterSeconds() })
      // Whoever finishes hands the slot over, so `running` stays as it is and nobody can push in between.
      await new Promise<void>((resolve) => waiting.push(resolve))
    } else {
      running += 1
    }
    const startedMs = monotonicMs()
    try {
      return await work()
    } finally {
      usualMs += (monotonicMs() - startedMs - usualMs) / 8
      const next = waiting.shift()
      if (next) next()
      else running -= 1
    }
  }

  return { run, waiting: () => waiting.length, running: () => running }
}
