/** Limits concurrent and queued hashes, so that many sign-ins do not block everything else. */
import { hashingBusy } from './errors.ts'
import { createFairQueue } from './fair-queue.ts'

type Options = {
  slots: number
  queue: number
  /** Maximum estimated wait. A full queue on a slow machine would take longer. */
  longestWaitMs?: number
  /** A monotonic clock in milliseconds, to measure a run. */
  monotonicMs?: () => number
}

/** The networks and the account of a hash. Without both it is the server's own work. */
export type Share = Readonly<{
  /** The networks of the request's IP address, the widest first. */
  networks?: readonly string[]
  account?: string | undefined
}>

/** One account uses at most a quarter of all slots and queue entries, over all networks. */
const accountPart = 4

/**
 * Runs `slots` hashes at a time; `queue` more wait within the time limit. Networks share fairly.
 * A full queue replaces an entry of the largest network, or throws hashingBusy.
 */
export function createPool({ slots, queue, longestWaitMs = 3_000, monotonicMs = () => performance.now() }: Options) {
  const shares = createFairQueue()
  const accounts = new Map<string, number>()
  const maxOfAccount = Math.max(1, Math.floor((slots + queue) / accountPart))
  let usualMs = 250

  // Estimated time until the queue is empty, from recent runs (RFC 9110 §10.2.3).
  const estimatedWaitMs = () => (usualMs * (shares.waiting() + shares.running())) / slots
  const busy = () => hashingBusy({ retryAfterSeconds: Math.min(30, Math.max(1, Math.ceil(estimatedWaitMs() / 1000))) })
  // One hash may always wait, so that another network gets the next slot.
  const isFull = () => shares.waiting() >= queue || (shares.waiting() > 0 && estimatedWaitMs() > longestWaitMs)

  /** Undefined: the hash may begin immediately. */
  function waitForSlot(path: readonly string[]): Promise<void> | undefined {
    if (shares.running() < slots) return void shares.begin(path)
    if (isFull() && !shares.makeRoom(path)) throw busy()
    // The hash that ends begins the next one, so a new request cannot overtake it.
    return new Promise((resolve, reject) => {
      shares.wait(path, { begin: resolve, refuse: () => reject(busy()) })
    })
  }

  async function run<T>(work: () => Promise<T>, { networks = [], account }: Share = {}): Promise<T> {
    const path = [...networks, account ?? '']
    const waiting = waitForSlot(path)
    if (waiting) await waiting
    const startedMs = monotonicMs()
    try {
      return await work()
    } finally {
      usualMs += (monotonicMs() - startedMs - usualMs) / 8
      shares.end(path)
      shares.beginNext()
    }
  }

  /** Limits the account's hashes over all networks. */
  async function runOfAccount<T>(work: () => Promise<T>, account: string, share: Share): Promise<T> {
    const before = accounts.get(account) ?? 0
    if (before >= maxOfAccount) throw busy()
    accounts.set(account, before + 1)
    try {
      return await run(work, share)
    } finally {
      const left = accounts.get(account)! - 1
      if (left > 0) accounts.set(account, left)
      else accounts.delete(account)
    }
  }

  return {
    run: <T>(work: () => Promise<T>, share: Share = {}): Promise<T> =>
      share.account === undefined ? run(work, share) : runOfAccount(work, share.account, share),
    waiting: shares.waiting,
    running: shares.running,
  }
}
