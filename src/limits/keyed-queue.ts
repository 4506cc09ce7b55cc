/** A queue for each key: tasks with the same key run one after another. */

type Deps = {
  /** The maximum number of tasks for one key. */
  maxLength: number
  refuse: () => never
}

export function createKeyedQueue({ maxLength, refuse }: Deps) {
  const queues = new Map<string, { last: Promise<void>; length: number }>()

  return async <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const queue = queues.get(key) ?? { last: Promise.resolve(), length: 0 }
    if (queue.length >= maxLength) return refuse()
    queues.set(key, queue)
    queue.length += 1
    const before = queue.last
    const { promise, resolve } = Promise.withResolvers<void>()
    queue.last = promise
    await before
    try {
      return await work()
    } finally {
      queue.length -= 1
      if (queue.length === 0) queues.delete(key)
      resolve()
    }
  }
}
