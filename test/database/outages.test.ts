/** Outages of the database as the processes see them by their heartbeats, and what they do to a window of time. */
import type { Outages } from '../../src/database/outages.ts'
import { createOutages, windowBegins } from '../../src/database/outages.ts'
import { createLog } from '../../src/log.ts'
import { createTestClock } from '../support/clock.ts'
import type { TestDatabase } from '../support/database.ts'
import { createTestDatabase } from '../support/database.ts'

const log = createLog({ level: 'silent' })
const windowMs = 30_000

test('the window of a token begins again at the end of an outage in which it was spent, or one window before which', () => {
  const outages = [{ beganAt: 100_000, endedAt: 160_000 }]
  const begins = (spentAt: number) => windowBegins(outages, spentAt, windowMs)
  expect([69_999, 70_000, 100_000, 160_000, 160_001].map(begins)).toEqual([69_999, 160_000, 160_000, 160_000, 160_001])
  // One outage after another: the window that began again may be cut again.
  const second = { beganAt: 185_000, endedAt: 200_000 }
  expect(windowBegins([...outages, second], 80_000, windowMs)).toBe(200_000)
  expect(windowBegins([...outages, { ...second, beganAt: 190_001 }], 80_000, windowMs)).toBe(160_000)
})

describe('heartbeats', () => {
  let tested: TestDatabase
  beforeAll(async () => {
    tested = await createTestDatabase()
  })
  beforeEach(async () => {
    await tested.database.knex('store_outage').delete()
    await tested.database.knex('store_heartbeat').update({ beat_at: 0 })
  })
  afterAll(() => tested.close())

  /** A process whose database can fail. */
  function openProcess(clock = createTestClock()) {
    const state = { isAway: false }
    const { knex } = tested.database
    const db = Object.assign(((table: string) => knex(table)) as typeof knex, {
      raw: ((sql: string, bindings: never) =>
        state.isAway ? Promise.reject(new Error('away')) : knex.raw(sql, bindings)) as typeof knex.raw,
    })
    const outages: Outages = createOutages({ db, clock, log })
    return { outages, clock, state }
  }

  async function beatFor(ms: number, ...processes: ReturnType<typeof openProcess>[]): Promise<void> {
    for (let passed = 0; passed < ms; passed += 3_000) {
      processes[0]!.clock.advance(3_000)
      for (const { outages } of processes) await outages.heartbeat()
    }
  }

  test('a time in which no process wrote one is an outage for all processes, a turned clock is none', async () => {
    const one = openProcess()
    const other = openProcess(one.clock)
    await beatFor(6_000, one, other)
    const before = one.clock.now()
    one.clock.advance(60_000)
    await one.outages.heartbeat()
    expect(await one.outages.graceBegins(before, windowMs)).toBe(before)

    await beatFor(6_000, one, other)
    const spentAt = one.clock.now()
    for (const { state } of [one, other]) state.isAway = true
    await beatFor(36_000, one, other)
    await expect(one.outages.graceBegins(spentAt, windowMs)).rejects.toThrow('away')
    for (const { state } of [one, other]) state.isAway = false
    const returned = one.clock.now()
    // The first that asks does not know yet that the database is back, and finds out.
    for (const { outages } of [one, other]) expect(await outages.graceBegins(spentAt, windowMs)).toBe(returned)
    expect(await openProcess(one.clock).outages.graceBegins(spentAt, windowMs)).toBe(returned)
  })

  test('while one process writes them, another that cannot sees no outage', async () => {
    const one = openProcess()
    const other = openProcess(one.clock)
    await beatFor(6_000, one, other)
    const spentAt = one.clock.now()
    other.state.isAway = true
    await beatFor(36_000, one, other)
    other.state.isAway = false
    expect(await other.outages.graceBegins(spentAt, windowMs)).toBe(spentAt)
  })

  test('a process that starts after all others ended finds the time between as an outage', async () => {
    const one = openProcess()
    await beatFor(6_000, one)
    const spentAt = one.clock.now()
    one.clock.advance(60_000)
    expect(await openProcess(one.clock).outages.graceBegins(spentAt, windowMs)).toBe(one.clock.now())
  })
})
