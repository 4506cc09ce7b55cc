/**
 * A clock that follows the database's. The offset and both of the machine's clocks are injected.
 */
import type { ClockOffset } from '../../src/following-clock.ts'
import { createFollowingClock } from '../../src/following-clock.ts'
import { createLog } from '../../src/log.ts'

function opened(first: ClockOffset) {
  const lines: string[] = []
  const at = { system: 1_000_000, monotonic: 0 }
  let next: ClockOffset | Error = first
  const clock = createFollowingClock({
    system: { now: () => at.system },
    monotonic: () => at.monotonic,
    measure: async () => {
      if (next instanceof Error) throw next
      return next
    },
    log: createLog({ level: 'info', destination: { write: (line) => lines.push(line) } }),
  })
  return {
    clock,
    lines,
    measure: async (offsetMs: number, uncertaintyMs = 0) => {
      next = { offsetMs, uncertaintyMs }
      await clock.follow()
    },
    fail: async () => {
      next = new Error('away')
      await clock.follow()
    },
    /** How far the clock advanced while both of the machine's clocks advanced by `ms`. */
    pass: (ms: number): number => {
      const before = clock.now()
      at.system += ms
      at.monotonic += ms
      return clock.now() - before
    },
    offset: () => clock.now() - at.system,
  }
}

test('the first offset applies at once, a later one at once when forward and at half speed when backward', async () => {
  const { clock, measure, pass, offset } = opened({ offsetMs: -2_000, uncertaintyMs: 0 })
  await clock.follow()
  expect(offset()).toBe(-2_000)
  await measure(-500)
  expect(offset()).toBe(-500)
  await measure(-1_500)
  expect(offset()).toBe(-500)
  expect([pass(1), pass(999), pass(1_000), pass(1_000)]).toEqual([expect.any(Number), expect.any(Number), 500, 1_000])
  expect(offset()).toBe(-1_500)
})

test('an offset within the uncertainty of its measurement changes nothing, and a failed measurement neither', async () => {
  const { measure, fail, offset } = opened({ offsetMs: 0, uncertaintyMs: 0 })
  await measure(9)
  expect(offset()).toBe(0)
  await measure(400, 500)
  expect(offset()).toBe(0)
  await measure(60_000, 2_000)
  expect(offset()).toBe(0)
  await measure(400, 50)
  expect(offset()).toBe(350)
  await fail()
  expect(offset()).toBe(350)
})

test('only the certain part of an offset applies, because the whole round trip may be in one direction', async () => {
  const { clock, measure, offset } = opened({ offsetMs: 250, uncertaintyMs: 250 })
  await clock.follow()
  expect(offset()).toBe(0)
  // The system clock is read in whole milliseconds.
  await measure(-251, 250)
  expect(offset()).toBe(0)
  await measure(700, 250)
  expect(offset()).toBe(450)
  await measure(700, 2)
  expect(offset()).toBe(698)
})

test('above a second a warning is logged once, above five the process is not ready and the clock jumps', async () => {
  const { clock, lines, measure, offset } = opened({ offsetMs: 0, uncertaintyMs: 0 })
  await measure(1_000)
  expect([clock.isRight(), lines.length]).toEqual([true, 0])
  await measure(-1_001)
  await measure(-1_100)
  expect([clock.isRight(), lines.length]).toEqual([true, 1])
  await measure(-5_000)
  expect(clock.isRight()).toBe(true)
  await measure(-120_000)
  expect([clock.isRight(), offset()]).toEqual([false, -120_000])
  await measure(5_001)
  expect(clock.isRight()).toBe(false)
  await measure(0)
  expect([clock.isRight(), lines.length]).toEqual([true, 2])
  expect(lines[1]).toContain('agrees with the database clock again')
})
