/** The bound on hashing: slots, a queue, and a clear refusal beyond them. */
import type { Share } from '../../src/passwords/pool.ts'
import { createPool } from '../../src/passwords/pool.ts'
import { hashingSlots, threadPoolSize } from '../../src/passwords/threads.ts'

/** Works that end on request, in the order in which they were started. */
function stage(options: { slots: number; queue: number; longestWaitMs?: number }) {
  let nowMs = 0
  const started: string[] = []
  const endings = new Map<string, { resolve: () => void; reject: (error: Error) => void }>()
  const pool = createPool({ ...options, monotonicMs: () => nowMs })
  const runFor = (share: Share, name: string) =>
    pool.run(() => {
      started.push(name)
      return new Promise<string>((resolve, reject) => endings.set(name, { resolve: () => resolve(name), reject }))
    }, share)
  const run = (name: string) => runFor({}, name)
  const pass = (ms: number) => {
    nowMs += ms
  }
  return { pool, run, runFor, started, end: (name: string) => endings.get(name)!, pass }
}

test('as many tasks run as there are slots, and the others follow in their order', async () => {
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

test('a failed task frees its slot', async () => {
  const { pool, run, end } = stage({ slots: 1, queue: 1 })
  const first = run('a')
  const second = run('b')
  end('a').reject(new Error('out of memory'))
  await expect(first).rejects.toThrow('out of memory')
  end('b').resolve()
  expect(await second).toBe('b')
  expect(pool.running()).toBe(0)
})

test('the Retry-After of a refusal is the time until the queue is empty', async () => {
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

test('a request that would wait for too long is refused at once, however much room the queue has', async () => {
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
  // The last one is running, so a new one waits for only one work.
  const late = run('g')
  end('e').resolve()
  await all[4]
  end('g').resolve()
  expect(await late).toBe('g')
  expect(started).not.toContain('f')
})

describe('a queue that one network fills', () => {
  const at = (...networks: string[]): Share => ({ networks })
  const of = (account: string, ...networks: string[]): Share => ({ networks, account })

  /** Ends every work in the order in which they start. Returns that order and the refusals. */
  async function outcome(stand: ReturnType<typeof stage>, works: ReadonlyMap<string, Promise<string>>) {
    const settled = Promise.allSettled(works.values())
    for (let index = 0; index < stand.started.length; index += 1) {
      const name = stand.started[index]!
      stand.end(name).resolve()
      await works.get(name)
    }
    const results = await settled
    expect([stand.pool.running(), stand.pool.waiting()]).toEqual([0, 0])
    const names = [...works.keys()]
    return {
      started: stand.started,
      refused: results.flatMap((result, index) =>
        result.status === 'rejected' ? [[names[index], result.reason.code, result.reason.status]] : [],
      ),
    }
  }

  /** Sixteen accounts at one address, and two slots; `others` arrive afterwards. */
  function floodAnd(others: Readonly<Record<string, Share>>) {
    const stand = stage({ slots: 2, queue: 14, longestWaitMs: 60_000 })
    const works = new Map<string, Promise<string>>()
    for (let index = 0; index < 16; index += 1)
      works.set(`own ${index}`, stand.runFor(of(`own ${index}`, '203.0.113', '203.0.113.7'), `own ${index}`))
    for (const [name, share] of Object.entries(others)) works.set(name, stand.runFor(share, name))
    return outcome(stand, works)
  }

  test('gives a place of the network with the most tasks to another network, whose task is next', async () => {
    const { started, refused } = await floodAnd({ alice: of('alice', '198.51.100', '198.51.100.9') })
    expect(started.indexOf('alice')).toBe(2)
    expect(refused).toEqual([['own 15', 'hashing_busy', 503]])
  })

  test('gives a place to another IP address of the same network, and refuses another account at the same address', async () => {
    const { started, refused } = await floodAnd({
      neighbour: of('neighbour', '203.0.113', '203.0.113.8'),
      colleague: of('colleague', '203.0.113', '203.0.113.7'),
    })
    expect(started.indexOf('neighbour')).toBe(2)
    expect(refused.map(([name]) => name)).toEqual(['own 15', 'colleague'])
  })

  test('gives a single network every slot and every place', async () => {
    const { started, refused } = await floodAnd({})
    expect([started.length, refused]).toEqual([16, []])
  })

  test('two networks alternate, in whatever order they came', async () => {
    const stand = stage({ slots: 1, queue: 14, longestWaitMs: 60_000 })
    const names = ['a0', 'a1', 'a2', 'a3', 'b0', 'b1', 'c0']
    const works = new Map(names.map((name) => [name, stand.runFor(at(name.slice(0, 1)), name)]))
    expect((await outcome(stand, works)).started).toEqual(['a0', 'b0', 'c0', 'a1', 'b1', 'a2', 'a3'])
  })

  test('one hash may wait even when a single one takes longer than the limit, and another network is next', async () => {
    const stand = stage({ slots: 1, queue: 14, longestWaitMs: 1_000 })
    for (let round = 0; round < 60; round += 1) {
      const work = stand.run('slow')
      stand.pass(4_000)
      stand.end('slow').resolve()
      await work
    }
    stand.started.length = 0
    const names = ['a0', 'a1', 'a2', 'b0']
    const works = new Map(names.map((name) => [name, stand.runFor(of(name, name.slice(0, 1)), name)]))
    const { started, refused } = await outcome(stand, works)
    expect(started).toEqual(['a0', 'b0'])
    expect(refused.map(([name]) => name)).toEqual(['a1', 'a2'])
  })

  test('refuses the last network when every network has one place', async () => {
    const stand = stage({ slots: 1, queue: 3, longestWaitMs: 60_000 })
    const names = ['a', 'b', 'c', 'd', 'e']
    const works = new Map(names.map((name) => [name, stand.runFor(at(name), name)]))
    expect((await outcome(stand, works)).refused).toEqual([['e', 'hashing_busy', 503]])
  })

  test('gives one account at most a quarter of all places, from all networks together', async () => {
    const stand = stage({ slots: 1, queue: 15, longestWaitMs: 60_000 })
    const names = ['a', 'b', 'c', 'd', 'e', 'f']
    const works = new Map(names.map((name) => [name, stand.runFor(of('one', name), name)]))
    works.set('other', stand.runFor(of('other', 'a'), 'other'))
    expect((await outcome(stand, works)).refused.map(([name]) => name)).toEqual(['e', 'f'])
    const again = stand.runFor(of('one', 'a'), 'again')
    stand.end('again').resolve()
    expect(await again).toBe('again')
  })
})

test('the cores of a machine are shared among its server processes and the lanes of a hash, at least one slot each', () => {
  const slots = (cores: number, serverProcesses: number, parallelism: number, configured?: number) =>
    hashingSlots({ configured, cores, serverProcesses, parallelism })
  expect([slots(8, 1, 1), slots(8, 4, 1), slots(8, 3, 1), slots(2, 8, 1)]).toEqual([8, 2, 2, 1])
  expect([slots(16, 1, 4), slots(8, 2, 4), slots(8, 4, 4), slots(2, 1, 4)]).toEqual([4, 1, 1, 1])
  expect(slots(8, 4, 4, 6)).toBe(6)
})

test('libuv’s pool has at least four threads more than there are slots, and a larger pool stays as it is', () => {
  expect([threadPoolSize(1, undefined), threadPoolSize(8, '4'), threadPoolSize(2, '32')]).toEqual([5, 12, 32])
  expect([threadPoolSize(2, 'many'), threadPoolSize(2, ''), threadPoolSize(2, '4000')]).toEqual([6, 6, 1024])
})
