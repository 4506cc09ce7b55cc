/**
 * A bounded cache of rows by key. The change feed removes changed rows; the cache is not used while
 * the feed is disconnected.
 */
import type { ChangeFeed } from './change-feed.ts'

export type RowCache<V> = {
  /** The row, or undefined when there is none. Rejects as `load` does; a failure is not cached. */
  get: (key: string) => Promise<V | undefined>
  /**
   * Call it after a commit: the next `get` in this process reads the row again, without waiting for
   * the feed.
   */
  forget: (key: string) => void
  clear: () => void
}

export type RowCacheOptions<V> = {
  /** The table whose trigger reports changed keys. */
  table: string
  changes: ChangeFeed
  /** The least recently used row is removed first; default 10,000 rows. */
  maxEntries?: number
  load: (key: string) => Promise<V | undefined>
}

/** Missing rows are not cached: requests with random names would push out the rows in use. */
export function createRowCache<V>({ table, changes, maxEntries = 10_000, load }: RowCacheOptions<V>): RowCache<V> {
  const rows = new Map<string, V>()
  const loads = new Map<string, Promise<V | undefined>>()

  function clear() {
    rows.clear()
    loads.clear()
  }

  function forget(key: string) {
    rows.delete(key)
    // A running load may have read the old row, so its result is not cached and the next call
    // loads again.
    loads.delete(key)
  }

  changes.subscribe(table, (key) => (key === '' ? clear() : forget(key)))
  changes.onConnectionChange(clear)

  function remember(key: string, row: V) {
    rows.delete(key)
    rows.set(key, row)
    if (rows.size <= maxEntries) return
    const [oldest] = rows.keys()
    if (oldest !== undefined) rows.delete(oldest)
  }

  function start(key: string): Promise<V | undefined> {
    const loading: Promise<V | undefined> = load(key).then(
      (row) => {
        if (loads.get(key) !== loading) return row
        loads.delete(key)
        if (row !== undefined) remember(key, row)
        return row
      },
      (error: unknown) => {
        if (loads.get(key) === loading) loads.delete(key)
        throw error
      },
    )
    loads.set(key, loading)
    return loading
  }

  return {
    get: async (key) => {
      if (!changes.isConnected()) return load(key)
      const row = rows.get(key)
      if (row === undefined) return loads.get(key) ?? start(key)
      remember(key, row)
      return row
    },
    forget,
    clear,
  }
}
