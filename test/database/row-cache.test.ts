/** The row cache never returns an old row, in any order of events. */
import type { ChangeFeed } from '../../src/database/change-feed.ts'
import { createRowCache } from '../../src/database/row-cache.ts'
import type { TestDatabase } from '../support/database.ts'
import { createTestDatabase } from '../support/database.ts'
import { waitFor } from '../support/wait.ts'

let own: TestDatabase
let changes: ChangeFeed
let loads: string[]

beforeAll(async () => {
  own = await createTestDatabase()
  changes = own.database.changes
  await own.database.knex.raw(`
    CREATE TABLE thing (name text PRIMARY KEY, color text);
    CREATE TRIGGER thing_change AFTER INSERT OR UPDATE OR DELETE ON thing
      FOR EACH ROW EXECUTE FUNCTION latchkey_notify_change('name')`)
})
afterAll(() => own.close())
beforeEach(async () => {
  loads = []
  await own.database.knex('thing').delete()
  await own.database.knex('thing').insert(['a', 'b', 'c'].map((name) => ({ name, color: 'red' })))
  await settled()
})

/** Waits until all announcements so far have arrived. */
async function settled(): Promise<void> {
  let isThere = false
  const end = changes.subscribe('marker', () => {
    isThere = true
  })
  await own.database.knex.raw("SELECT pg_notify('latchkey_change', 'marker:')")
  await waitFor(() => isThere)
  end()
}

async function load(name: string): Promise<string | undefined> {
  loads.push(name)
  const row = await own.database.knex('thing').where({ name }).first('color')
  return row?.color
}

const createCache = (maxEntries = 10, from = load) =>
  createRowCache({ table: 'thing', changes, maxEntries, load: from })
const paint = (name: string, color: string) => own.database.knex('thing').where({ name }).update({ color })

test('a row is loaded once, also by concurrent requests', async () => {
  const cache = createCache()
  expect(await Promise.all([cache.get('a'), cache.get('a'), cache.get('a')])).toEqual(['red', 'red', 'red'])
  expect(await cache.get('a')).toBe('red')
  expect(loads).toEqual(['a'])
})

test('a changed row is loaded again, and no other', async () => {
  const cache = createCache()
  await cache.get('a')
  await cache.get('b')
  await paint('a', 'blue')
  await settled()
  expect(await cache.get('a')).toBe('blue')
  expect(await cache.get('b')).toBe('red')
  expect(loads).toEqual(['a', 'b', 'a'])
})

test('a process that has changed a row reads it again without waiting for the feed', async () => {
  // A feed that never notifies.
  const silent: typeof changes = { ...changes, subscribe: () => () => {} }
  const cache = createRowCache({ table: 'thing', changes: silent, maxEntries: 10, load })
  expect(await cache.get('a')).toBe('red')
  await paint('a', 'blue')
  expect(await cache.get('a')).toBe('red')
  cache.forget('a')
  expect(await cache.get('a')).toBe('blue')
})

test('a change that arrives during a load discards that load', async () => {
  let readOn = () => {}
  const halfway = new Promise<void>((resolve) => {
    readOn = resolve
  })
  let isFirst = true
  const cache = createCache(10, async (name) => {
    const color = await load(name)
    if (isFirst) {
      isFirst = false
      await halfway
    }
    return color
  })
  const early = cache.get('a')
  await waitFor(() => loads.length === 1)
  await paint('a', 'blue')
  await settled()
  // A read after the change must not get the result of a load from before it.
  expect(await cache.get('a')).toBe('blue')
  readOn()
  await early
  expect(await cache.get('a')).toBe('blue')
})

test('a row that does not exist is not cached', async () => {
  const cache = createCache()
  expect(await cache.get('nobody')).toBeUndefined()
  expect(await cache.get('nobody')).toBeUndefined()
  expect(loads).toEqual(['nobody', 'nobody'])
})

test('a failed load rejects and is not cached', async () => {
  let isBroken = true
  const cache = createCache(10, async (name) => {
    if (isBroken) throw new Error('away')
    return load(name)
  })
  await expect(cache.get('a')).rejects.toThrow('away')
  isBroken = false
  expect(await cache.get('a')).toBe('red')
})

test('a full cache removes the row that was not requested for the longest time', async () => {
  const cache = createCache(2)
  for (const name of ['a', 'b', 'a', 'c', 'a', 'b']) await cache.get(name)
  expect(loads).toEqual(['a', 'b', 'c', 'b'])
})

test('clear removes every row', async () => {
  const cache = createCache()
  await cache.get('a')
  cache.clear()
  await cache.get('a')
  expect(loads).toEqual(['a', 'a'])
})

test('while the change feed is disconnected nothing is cached, and no earlier row is used afterwards', async () => {
  const listeners = new Set<(connected: boolean) => void>()
  let isConnected = true
  const feed: ChangeFeed = {
    ...changes,
    isConnected: () => isConnected,
    onConnectionChange: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
  const setConnected = (connected: boolean) => {
    isConnected = connected
    for (const listener of listeners) listener(connected)
  }
  const cache = createRowCache({ table: 'thing', changes: feed, maxEntries: 10, load })
  await cache.get('a')
  setConnected(false)
  await cache.get('a')
  await cache.get('a')
  setConnected(true)
  await cache.get('a')
  await cache.get('a')
  expect(loads).toEqual(['a', 'a', 'a', 'a'])
})
