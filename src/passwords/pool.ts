/** Bounds how many hashes are computed at once and how many may wait, so that a flood of sign-ins does not starve everything else. */
import { hashingBusy } from './errors.ts'

type Options = {
  slots: number
  queue: number
  /** Nobody begins to wait for longer than this, as far as the latest runs tell: a full queue on a slow machine would else be a long one. */
  longestWaitMs?: number
  /** Milliseconds from some fixed moment, for the length of a run. */
  monotonicMs?: () => number
}

/** `slots` works at a time, first come first served; `queue` more wait, as long as that is not too long, and whoever comes then gets hashingBusy. */
export function createPool({ slots, queue, longestWaitMs = 3_000, monotonicMs = () => performance.now() }: Options) {
  const waiting: (() => void)[] = []
  let running = 0
  let usualMs = 250

  // When the whole queue will be through, as far as the latest runs tell (RFC 9110 §10.2.3).
  const throughMs = () => (usualMs * (waiting.length + running)) / slots
  const retryAfterSeconds = () => Math.min(30, Math.max(1, Math.ceil(throughMs() / 1000)))
  const isFull = () => waiting.length >= queue || throughMs() > longestWaitMs

  async function run<T>(work: () => Promise<T>): Promise<T> {
    if (running >= slots) {
      if (isFull()) throw hashingBusy({ retryAfterSeconds: retryAfterSeconds() })
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
