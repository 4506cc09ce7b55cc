/** A bounded memory of rows by key, kept true by the change feed, and unused while the feed is away. */
import type { ChangeFeed } from './change-feed.ts'

export type RowCache<V> = {
  /** The row, or undefined when there is none. Rejects as `load` does; a failure is not remembered. */
  get: (key: string) => Promise<V | undefined>
  /** For whoever has just committed a change: the next `get` in this process reads anew, without waiting for the feed. */
  forget: (key: string) => void
  clear: () => void
}

export type RowCacheOptions<V> = {
  /** The table whose trigger reports changed keys. */
  table: string
  changes: ChangeFeed
  /** The row that was not asked for the longest leaves first; 10,000 rows when absent. */
  maxEntries?: number
  load: (key: string) => Promise<V | undefined>
}

/** Rows that do not exist are not remembered: anybody can ask for names that nobody has, and would push out those in use. */
export function createRowCache<V>({ table, changes, maxEntries = 10_000, load }: RowCacheOptions<V>): RowCache<V> {
  const rows = new Map<string, V>()
  const loads = new Map<string, Promise<V | undefined>>()

  function clear() {
    rows.clear()
    loads.clear()
  }

  function forget(key: string) {
    rows.delete(key)
    // A load under way may have read the row before the change: whoever asks from now on gets a new one, and nobody remembers this.
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
