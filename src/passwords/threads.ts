/** The slots for hashing, and the pool size of libuv that keeps other work from waiting. */

import { readdirSync, readFileSync } from 'node:fs'
import { getPriority, setPriority } from 'node:os'

type Machine = { configured: number | undefined; cores: number; serverProcesses: number; parallelism: number }

/**
 * Concurrent hashes of a process, at least one: `configured`, or `cores` divided by the server
 * processes and by the threads (lanes) of one hash. More would not increase throughput.
 */
export const hashingSlots = ({ configured, cores, serverProcesses, parallelism }: Machine): number =>
  configured ?? Math.max(1, Math.floor(cores / serverProcesses / parallelism))

/**
 * The value of UV_THREADPOOL_SIZE: at least four more than the slots; a larger `stated` one is
 * kept. Must be set before the first threaded work of libuv; imports and synchronous calls do none.
 */
export function threadPoolSize(slots: number, stated: string | undefined): number {
  const floor = slots + 4
  return Math.min(1024, Math.max(floor, Number(/^\d+$/.exec(stated ?? '')?.[0] ?? 0)))
}

/** Added niceness: a thread of normal priority gets nine tenths of a shared core. */
const behind = 10

/**
 * Gives libuv's pool threads a lower priority than requests; hash threads inherit it. Linux only
 * (setpriority(2)). Call it after the pool has started.
 */
export function yieldPoolThreads(): void {
  if (process.platform !== 'linux') return
  const priority = Math.min(19, getPriority() + behind)
  for (const thread of readdirSync('/proc/self/task')) {
    try {
      if (readFileSync(`/proc/self/task/${thread}/comm`, 'utf8').startsWith('libuv'))
        setPriority(Number(thread), priority)
    } catch {
      // The thread may have ended, or a container may forbid it. It then keeps normal priority.
    }
  }
}
