/** Bounds how many hashes are computed at once and how many may wait, so that a flood of sign-ins does not starve everything else. */
import { hashingBusy } from './errors.ts'
import { createFairQueue } from './fair-queue.ts'

type Options = {
  slots: number
  queue: number
  /** Nobody begins to wait for longer than this, as far as the latest runs tell: a full queue on a slow machine would else be a long one. */
  longestWaitMs?: number
  /** Milliseconds from some fixed moment, for the length of a run. */
  monotonicMs?: () => number
}

/** For which network and account a work is done. Without either it is the server's own. */
export type Share = Readonly<{
  /** The networks of the request's address, the widest first. */
  networks?: readonly string[]
  account?: string | undefined
}>

/** One account has at most this part of all places, from whatever networks. */
const accountPart = 4

/**
 * `slots` works at a time; `queue` more wait, unless that takes too long. Networks take turns.
 * A full queue takes a place from the network with most for one with less, else throws hashingBusy.
 */
export function createPool({ slots, queue, longestWaitMs = 3_000, monotonicMs = () => performance.now() }: Options) {
  const shares = createFairQueue()
  const accounts = new Map<string, number>()
  const maxOfAccount = Math.max(1, Math.floor((slots + queue) / accountPart))
  let usualMs = 250

  // When the whole queue will be through, as far as the latest runs tell (RFC 9110 §10.2.3).
  const throughMs = () => (usualMs * (shares.waiting() + shares.running())) / slots
  const busy = () => hashingBusy({ retryAfterSeconds: Math.min(30, Math.max(1, Math.ceil(throughMs() / 1000))) })
  // However slow the works are, one may wait: else whose work runs would keep its slot, and no other network had a turn.
  const isFull = () => shares.waiting() >= queue || (shares.waiting() > 0 && throughMs() > longestWaitMs)

  /** Undefined: the work may begin at once. */
  function turnOf(path: readonly string[]): Promise<void> | undefined {
    if (shares.running() < slots) return void shares.begin(path)
    if (isFull() && !shares.makeRoom(path)) throw busy()
    // The work that ends begins the next one, so no other can push in between.
    return new Promise((resolve, reject) => {
      shares.wait(path, { begin: resolve, refuse: () => reject(busy()) })
    })
  }

  async function run<T>(work: () => Promise<T>, { networks = [], account }: Share = {}): Promise<T> {
    const path = [...networks, account ?? '']
    const turn = turnOf(path)
    if (turn) await turn
    const startedMs = monotonicMs()
    try {
      return await work()
    } finally {
      usualMs += (monotonicMs() - startedMs - usualMs) / 8
      shares.end(path)
      shares.beginNext()
    }
  }

  /** Counts what the account has here, from whatever networks. */
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
