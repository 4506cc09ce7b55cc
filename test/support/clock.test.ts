/** The test clocks, in this process and in the processes that tests start. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { createTestClock } from './clock.ts'
import { createTestFolder } from './folders.ts'
import { createClockFile, shiftClock } from './processes.ts'
import { watchProcess } from './watchdog.ts'

test('the test clock and Date change only when the clock is set', () => {
  const clock = createTestClock(1_000)
  expect([clock.now(), Date.now(), new Date().toISOString()]).toEqual([1_000, 1_000, '1970-01-01T00:00:01.000Z'])
  clock.advance(500)
  expect([clock.now(), Date.now(), new Date().toISOString()]).toEqual([1_500, 1_500, '1970-01-01T00:00:01.500Z'])
  clock.set(9)
  expect([clock.now(), Date.now()]).toEqual([9, 9])
  expect(new Date()).toBeInstanceOf(Date)
  expect(new Date(5).getTime()).toBe(5)
  expect(Date.UTC(1970, 0, 2)).toBe(86_400_000)
  clock.restore()
  expect(Date.now()).toBeGreaterThan(1_700_000_000_000)
})

test('the clock of a started process changes at once', async () => {
  const clock = createClockFile(createTestFolder())
  const code =
    "process.stdin.on('data', () => console.log(JSON.stringify([Date.now(), new Date().getTime(), typeof Date()])))"
  const child = spawn(process.execPath, ['--import', shiftClock, '-e', code], {
    env: { ...process.env, LATCHKEY_TEST_CLOCK: clock.file },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  watchProcess(child)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const ask = async (): Promise<number> => {
    child.stdin.write('?\n')
    const [now, made, kind] = JSON.parse((await lines.next()).value ?? '[]')
    expect(made - now).toBeLessThan(1_000)
    expect(kind).toBe('string')
    return now - Date.now()
  }
  expect(Math.abs(await ask())).toBeLessThan(5_000)
  clock.advance(3_600_000)
  expect(Math.abs((await ask()) - 3_600_000)).toBeLessThan(5_000)
  clock.advance(-7_200_000)
  expect(Math.abs((await ask()) + 3_600_000)).toBeLessThan(5_000)
  child.kill('SIGKILL')
  clock.close()
})
