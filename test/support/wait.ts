/**
 * Waits for a condition by the machine's own time, because a test's clock stands still meanwhile.
 */
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'

/** It only ends what hangs. Most mutants that hang are found out sooner. */
const defaultMs = process.env.LATCHKEY_MUTANTS === undefined ? 60_000 : 10_000

/**
 * Calls `check` every few milliseconds and returns its first value that is not undefined or false.
 * Throws after `timeoutMs` (default 60 s), with the last error of `check` as its cause.
 */
export async function waitFor<T>(
  check: () => Promise<T | undefined | false> | T | undefined | false,
  { timeoutMs = defaultMs, what = 'the condition' }: { timeoutMs?: number; what?: string } = {},
): Promise<T> {
  const end = performance.now() + timeoutMs
  let cause: unknown
  // The last check begins after the end: a busy machine may have stopped this process for longer.
  for (let isLast = false; ; isLast = performance.now() >= end) {
    try {
      const answer = await check()
      if (answer !== undefined && answer !== false) return answer
      cause = undefined
    } catch (error) {
      cause = error
    }
    if (isLast) throw new Error(`${what} did not come true within ${timeoutMs} ms`, { cause })
    await sleep(10)
  }
}
