/** How hashing shares the machine: its slots, and how large libuv's pool must be so that signing and files do not wait behind it. */

/**
 * Hashes a process computes at the same time: `configured`, or this machine's `cores` divided among its server processes, at least one.
 */
export const hashingSlots = (o: { configured: number | undefined; cores: number; serverProcesses: number }): number =>
  o.configured ?? Math.max(1, Math.floor(o.cores / o.serverProcesses))

/**
 * The value for UV_THREADPOOL_SIZE: at least four threads more than there are slots; a larger `stated` one is kept. libuv reads it at
 * the first work that it does in a thread, so the process must set it before any; static imports and synchronous calls do none.
 */
export function threadPoolSize(slots: number, stated: string | undefined): number {
  const floor = slots + 4
  return Math.min(1024, Math.max(floor, Number(/^\d+$/.exec(stated ?? '')?.[0] ?? 0)))
}
