/** Database outages as the processes' heartbeats show them, and their effect on a grace window. */
import type { Outages } from '../../src/database/outages.ts'
import { createOutages, graceWindowsClosedUntil, windowBegins } from '../../src/database/outages.ts'
import { createLog } from '../../src/log.ts'
import { createTestClock } from '../support/clock.ts'
import type { TestDatabase } from '../support/database.ts'
import { createTestDatabase } from '../support/database.ts'

const log = createLog({ level: 'silent' })
const windowMs = 30_000

test('an outage restarts the window of a token that was spent in it, or at most one window before it', () => {
  const outages = [{ beganAt: 100_000, endedAt: 160_000 }]
  const begins = (spentAt: number) => windowBegins(outages, spentAt, windowMs)
  expect([69_999, 70_000, 100_000, 160_000, 160_001].map(begins)).toEqual([69_999, 160_000, 160_000, 160_000, 160_001])
  // A second outage can interrupt the window that restarted after the first.
  const second = { beganAt: 185_000, endedAt: 200_000 }
  expect(windowBegins([...outages, second], 80_000, windowMs)).toBe(200_000)
  expect(windowBegins([...outages, { ...second, beganAt: 190_001 }], 80_000, windowMs)).toBe(160_000)
})

test('the window of a token that was spent before the returned time is closed, and no later outage reopens it', () => {
  const outages = [
    { beganAt: 100_000, endedAt: 160_000 },
    { beganAt: 185_000, endedAt: 200_000 },
    { beganAt: 400_000, endedAt: 500_000 },
  ]
  for (const [known, beatAt, expected] of [
    [0, 300_000, 269_999],
    // The second outage interrupts a window that restarted at the end of the first.
    [2, 229_999, 69_999],
    [2, 230_001, 200_000],
    [3, 500_000, 369_999],
    [3, 530_000, 369_999],
    [3, 530_001, 500_000],
  ] as const) {
    const seen = outages.slice(0, known)
    const until = graceWindowsClosedUntil(seen, beatAt, windowMs)
    expect([known, beatAt, until]).toEqual([known, beatAt, expected])
    // Of all possible later outages, the one from the last heartbeat on has the longest effect.
    const worst = [...seen, { beganAt: beatAt, endedAt: beatAt + 60_000 }]
    for (let spentAt = 0; spentAt <= until; spentAt += 1_000) {
      expect(windowBegins(worst, spentAt, windowMs) + windowMs).toBeLessThan(beatAt)
    }
    expect(windowBegins(worst, until, windowMs) + windowMs).toBeLessThan(beatAt)
    expect(windowBegins(worst, until + 1, windowMs) + windowMs).toBeGreaterThanOrEqual(beatAt)
  }
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
    const state = { isUnavailable: false }
    const { knex } = tested.database
    const db = Object.assign(((table: string) => knex(table)) as typeof knex, {
      raw: ((sql: string, bindings: never) =>
        state.isUnavailable ? Promise.reject(new Error('away')) : knex.raw(sql, bindings)) as typeof knex.raw,
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

  test('a time without a heartbeat of any process is an outage for all processes, a changed clock is not', async () => {
    const one = openProcess()
    const other = openProcess(one.clock)
    await beatFor(6_000, one, other)
    const before = one.clock.now()
    one.clock.advance(60_000)
    await one.outages.heartbeat()
    expect(await one.outages.graceBegins(before, windowMs)).toBe(before)

    await beatFor(6_000, one, other)
    const spentAt = one.clock.now()
    for (const { state } of [one, other]) state.isUnavailable = true
    await beatFor(36_000, one, other)
    await expect(one.outages.graceBegins(spentAt, windowMs)).rejects.toThrow('away')
    for (const { state } of [one, other]) state.isUnavailable = false
    const returned = one.clock.now()
    // The first call does not know yet that the database has recovered, and finds out.
    for (const { outages } of [one, other]) expect(await outages.graceBegins(spentAt, windowMs)).toBe(returned)
    expect(await openProcess(one.clock).outages.graceBegins(spentAt, windowMs)).toBe(returned)
  })

  test('a window is closed only by written heartbeats, whatever the time is', async () => {
    const one = openProcess()
    await beatFor(6_000, one)
    const beatAt = one.clock.now()
    const untilBefore = async (at: number) => {
      // A heartbeat carries the time of the previous answer, by the monotonic clock.
      const behindMs = at - 360_001 - (await one.outages.graceWindowsClosedUntil())
      expect(behindMs).toBeGreaterThanOrEqual(0)
      expect(behindMs).toBeLessThan(2_000)
    }
    one.state.isUnavailable = true
    await beatFor(60_000, one)
    one.state.isUnavailable = false
    await untilBefore(beatAt)
    await one.outages.heartbeat()
    await untilBefore(beatAt)
    await beatFor(366_000, one)
    await untilBefore(one.clock.now())
  })

  test('a process that cannot write heartbeats sees no outage while another process writes them', async () => {
    const one = openProcess()
    const other = openProcess(one.clock)
    await beatFor(6_000, one, other)
    const spentAt = one.clock.now()
    other.state.isUnavailable = true
    await beatFor(36_000, one, other)
    other.state.isUnavailable = false
    expect(await other.outages.graceBegins(spentAt, windowMs)).toBe(spentAt)
  })

  test('a process that starts after all others have stopped sees the time between as an outage', async () => {
    const one = openProcess()
    await beatFor(6_000, one)
    const spentAt = one.clock.now()
    one.clock.advance(60_000)
    expect(await openProcess(one.clock).outages.graceBegins(spentAt, windowMs)).toBe(one.clock.now())
  })
})
