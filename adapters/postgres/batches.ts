/**
 * Runs the work of many requests together: at most `size` items per batch, at most `inFlight`
 * batches at a time.
 */
import { ArtifactStoreUnavailable } from '../errors.ts'

type Deps<Item, Result> = {
  size: number
  inFlight: number
  /** Gives one result for each item, in order. */
  run: (items: readonly Item[]) => Promise<readonly Result[]>
  /** The keys that an item touches: two items with a common key never run at the same time. */
  touches?: (item: Item) => readonly string[]
}

type QueuedItem<Item, Result> = {
  item: Item
  touched: readonly string[]
  /** Milliseconds of the process's monotonic clock. */
  since: number
  resolve: (result: Result) => void
  reject: (error: unknown) => void
}

// Items queued longer than this are rejected together with the failed batch. Newer items are
// retried, because one broken connection is not an outage.
const queueTimeoutMs = 1_000

/**
 * Collects the items of one iteration of the event loop. While `inFlight` batches run, the next one
 * grows: batches grow with the load, and a single request does not wait.
 */
export function createBatches<Item, Result>({ size, inFlight, run, touches = () => [] }: Deps<Item, Result>) {
  let waiting: QueuedItem<Item, Result>[] = []
  const busy = new Set<string>()
  let running = 0
  let isScheduled = false

  function nextBatch(): QueuedItem<Item, Result>[] {
    const batch: QueuedItem<Item, Result>[] = []
    const left: QueuedItem<Item, Result>[] = []
    for (const item of waiting) {
      if (batch.length >= size || item.touched.some((name) => busy.has(name))) left.push(item)
      else {
        for (const name of item.touched) busy.add(name)
        batch.push(item)
      }
    }
    waiting = left
    return batch
  }

  function refuseWaiting(error: unknown): void {
    const latest = performance.now() - queueTimeoutMs
    const refused = waiting.filter(({ since }) => since <= latest)
    waiting = waiting.filter(({ since }) => since > latest)
    for (const { reject } of refused) reject(error)
  }

  async function finishBatch(batch: readonly QueuedItem<Item, Result>[]): Promise<void> {
    try {
      const results = await run(batch.map(({ item }) => item))
      batch.forEach(({ resolve }, index) => {
        resolve(results[index] as Result)
      })
    } catch (error) {
      // A bad item must not fail the others: each is retried alone. An unavailable store fails all
      // of them.
      const isUnavailable = error instanceof ArtifactStoreUnavailable
      if (isUnavailable) refuseWaiting(error)
      if (isUnavailable || batch.length === 1) for (const { reject } of batch) reject(error)
      else for (const item of batch) await finishBatch([item])
    }
  }

  function pump(): void {
    isScheduled = false
    while (running < inFlight && waiting.length > 0) {
      const batch = nextBatch()
      if (batch.length === 0) return
      running += 1
      void finishBatch(batch).finally(() => {
        for (const { touched } of batch) for (const name of touched) busy.delete(name)
        running -= 1
        schedule()
      })
    }
  }

  function schedule(): void {
    if (isScheduled || waiting.length === 0 || running >= inFlight) return
    isScheduled = true
    setImmediate(pump)
  }

  return (item: Item): Promise<Result> =>
    new Promise((resolve, reject) => {
      waiting.push({ item, touched: touches(item), since: performance.now(), resolve, reject })
      schedule()
    })
}
