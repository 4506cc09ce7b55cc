/** The bound on hashing: slots, a queue, and a clear answer beyond. */
import { createPool } from '../../src/passwords/pool.ts'
import { hashingSlots, threadPoolSize } from '../../src/passwords/threads.ts'

/** Works that end when told to, in the order they were started. */
function stage(options: { slots: number; queue: number; longestWaitMs?: number }) {
  let nowMs = 0
  const started: string[] = []
  const endings = new Map<string, { resolve: () => void; reject: (error: Error) => void }>()
  const pool = createPool({ ...options, monotonicMs: () => nowMs })
  const run = (name: string) =>
    pool.run(() => {
      started.push(name)
      return new Promise<string>((resolve, reject) => endings.set(name, { resolve: () => resolve(name), reject }))
    })
  const pass = (ms: number) => {
    nowMs += ms
  }
  return { pool, run, started, end: (name: string) => endings.get(name)!, pass }
}

test('as many works run as there are slots, the others in the order they came', async () => {
  const { pool, run, started, end } = stage({ slots: 2, queue: 2 })
  const all = ['a', 'b', 'c', 'd'].map(run)
  expect(started).toEqual(['a', 'b'])
  expect([pool.running(), pool.waiting()]).toEqual([2, 2])
  end('b').resolve()
  expect(await all[1]).toBe('b')
  expect(started).toEqual(['a', 'b', 'c'])
  end('a').resolve()
  await all[0]
  end('c').resolve()
  end('d').resolve()
  expect(await Promise.all(all)).toEqual(['a', 'b', 'c', 'd'])
  expect([pool.running(), pool.waiting()]).toEqual([0, 0])
})

test('a full queue refuses with 503 and Retry-After, and starts nothing (ASVS V15.2.2)', async () => {
  const { run, started, end } = stage({ slots: 1, queue: 1 })
  const all = ['a', 'b'].map(run)
  await expect(run('c')).rejects.toMatchObject({ code: 'hashing_busy', status: 503, retryAfterSeconds: 1 })
  end('a').resolve()
  await all[0]
  end('b').resolve()
  await all[1]
  expect(started).toEqual(['a', 'b'])
})

test('a work that fails gives its slot back', async () => {
  const { pool, run, end } = stage({ slots: 1, queue: 1 })
  const first = run('a')
  const second = run('b')
  end('a').reject(new Error('out of memory'))
  await expect(first).rejects.toThrow('out of memory')
  end('b').resolve()
  expect(await second).toBe('b')
  expect(pool.running()).toBe(0)
})

test('whoever is refused is told to come back when the queue will be through', async () => {
  const { run, end, pass } = stage({ slots: 1, queue: 3, longestWaitMs: 60_000 })
  for (let round = 0; round < 40; round += 1) {
    const work = run('warm')
    pass(2_000)
    end('warm').resolve()
    await work
  }
  const all = ['a', 'b', 'c', 'd'].map(run)
  const refused = await run('e').catch((error) => error)
  expect(refused.retryAfterSeconds).toBeGreaterThanOrEqual(7)
  expect(refused.retryAfterSeconds).toBeLessThanOrEqual(8)
  for (const [index, name] of ['a', 'b', 'c', 'd'].entries()) {
    end(name).resolve()
    await all[index]
  }
})

test('whoever would wait for too long is refused at once, however much room the queue has', async () => {
  const { run, end, pass, started } = stage({ slots: 1, queue: 16, longestWaitMs: 4_000 })
  for (let round = 0; round < 60; round += 1) {
    const work = run('slow')
    pass(1_000)
    end('slow').resolve()
    await work
  }
  const names = ['a', 'b', 'c', 'd', 'e']
  const all = names.map(run)
  await expect(run('f')).rejects.toMatchObject({ code: 'hashing_busy', status: 503 })
  for (const [index, name] of names.slice(0, -1).entries()) {
    end(name).resolve()
    await all[index]
  }
  // The last one's turn has come, and whoever comes now waits for one work only.
  const late = run('g')
  end('e').resolve()
  await all[4]
  end('g').resolve()
  expect(await late).toBe('g')
  expect(started).not.toContain('f')
})

test('the cores of a machine are shared among its server processes and the lanes of a hash, at least one slot each', () => {
  const slots = (cores: number, serverProcesses: number, parallelism: number, configured?: number) =>
    hashingSlots({ configured, cores, serverProcesses, parallelism })
  expect([slots(8, 1, 1), slots(8, 4, 1), slots(8, 3, 1), slots(2, 8, 1)]).toEqual([8, 2, 2, 1])
  expect([slots(16, 1, 4), slots(8, 2, 4), slots(8, 4, 4), slots(2, 1, 4)]).toEqual([4, 1, 1, 1])
  expect(slots(8, 4, 4, 6)).toBe(6)
})

test('libuv’s pool has at least four threads more than there are slots, and a larger one is kept', () => {
  expect([threadPoolSize(1, undefined), threadPoolSize(8, '4'), threadPoolSize(2, '32')]).toEqual([5, 12, 32])
  expect([threadPoolSize(2, 'many'), threadPoolSize(2, ''), threadPoolSize(2, '4000')]).toEqual([6, 6, 1024])
})
