/** One at a time for each key: whoever comes meanwhile waits for those before. */

type Deps = {
  /** How many may be there for one key. */
  most: number
  refuse: () => never
}

export function createTurns({ most, refuse }: Deps) {
  const lines = new Map<string, { last: Promise<void>; length: number }>()

  return async <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const line = lines.get(key) ?? { last: Promise.resolve(), length: 0 }
    if (line.length >= most) return refuse()
    lines.set(key, line)
    line.length += 1
    const before = line.last
    const { promise, resolve } = Promise.withResolvers<void>()
    line.last = promise
    await before
    try {
      return await work()
    } finally {
      line.length -= 1
      if (line.length === 0) lines.delete(key)
      resolve()
    }
  }
}
