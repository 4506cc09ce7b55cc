/** How hashing shares the machine: its slots, and how large libuv's pool must be so that signing and files do not wait behind it. */

import { readdirSync, readFileSync } from 'node:fs'
import { getPriority, setPriority } from 'node:os'

type Machine = { configured: number | undefined; cores: number; serverProcesses: number; parallelism: number }

/**
 * Hashes a process computes at the same time: `configured`, or this machine's `cores` divided among its server processes and among the lanes of
 * one hash, each of which is a thread; at least one. More at once finish no more in a second, and keep everything else waiting.
 */
export const hashingSlots = ({ configured, cores, serverProcesses, parallelism }: Machine): number =>
  configured ?? Math.max(1, Math.floor(cores / serverProcesses / parallelism))

/**
 * The value for UV_THREADPOOL_SIZE: at least four threads more than there are slots; a larger `stated` one is kept. libuv reads it at
 * the first work that it does in a thread, so the process must set it before any; static imports and synchronous calls do none.
 */
export function threadPoolSize(slots: number, stated: string | undefined): number {
  const floor = slots + 4
  return Math.min(1024, Math.max(floor, Number(/^\d+$/.exec(stated ?? '')?.[0] ?? 0)))
}

/** How much nicer: a thread that wants to run beside one of these gets nine tenths of the core. */
const behind = 10

/**
 * Puts the threads of libuv's pool behind every other thread of this process, so that hashing takes what requests leave. What a hash starts
 * inherits it. On Linux alone, where a thread has a priority of its own (setpriority(2)); to be called once the pool has its threads.
 */
export function yieldPoolThreads(): void {
  if (process.platform !== 'linux') return
  const priority = Math.min(19, getPriority() + behind)
  for (const thread of readdirSync('/proc/self/task')) {
    // A thread may have ended, or a container may forbid it: then hashing takes its equal share, as before.
    try {
      if (readFileSync(`/proc/self/task/${thread}/comm`, 'utf8').startsWith('libuv'))
        setPriority(Number(thread), priority)
    } catch {}
  }
}
