/** Counts how often this process has seen a key within a window, without a store. */

type Deps = { now: () => number; maxKeys: number }

export function createLocalCount({ now, maxKeys }: Deps) {
  const counts = new Map<string, { from: number; used: number }>()

  return {
    /** Counts one more. Returns the count since the window began. */
    count: (key: string, windowMs: number): number => {
      const known = counts.get(key)
      const isOver = known === undefined || now() - known.from >= windowMs
      const next = isOver ? { from: now(), used: 1 } : { from: known.from, used: known.used + 1 }
      if (isOver) counts.delete(key)
      counts.set(key, next)
      if (counts.size > maxKeys) counts.delete(counts.keys().next().value!)
      return next.used
    },
  }
}
