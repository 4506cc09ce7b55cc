/** What a hundred turns of the keys leave behind in memory: nothing that grows. */
import { spawn } from 'node:child_process'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { createTestDatabase } from '../support/database.ts'
import { watchProcess } from '../support/watchdog.ts'

const turns = 100
/** Engines that stay cost 180 kilobytes a turn. What V8 still learns by then costs about four, with or without turns. */
const mostBytesATurn = 8 * 1024

/** Least squares: bytes a turn, and the half width of its 95 % confidence interval. */
function slopeOf(values: readonly number[]): { slope: number; bound: number } {
  const n = values.length
  const middle = (n - 1) / 2
  const mean = values.reduce((sum, value) => sum + value, 0) / n
  const spread = values.reduce((sum, _, index) => sum + (index - middle) ** 2, 0)
  const slope = values.reduce((sum, value, index) => sum + (index - middle) * (value - mean), 0) / spread
  const rest = values.reduce((sum, value, index) => sum + (value - mean - slope * (index - middle)) ** 2, 0)
  return { slope, bound: 2.01 * Math.sqrt(rest / (n - 2) / spread) }
}

test(`memory is level after ${turns} turns of the keys`, async () => {
  const base = await createTestDatabase()
  const script = path.join(import.meta.dirname, 'key-memory.ts')
  const child = spawn(process.execPath, ['--expose-gc', script, base.url, String(turns)], {
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  watchProcess(child)
  const [output, problems] = await Promise.all([text(child.stdout), text(child.stderr)])
  expect(problems.replace(/^.*ExperimentalWarning.*\n.*\n/gm, '')).toBe('')
  const { bytes, keys } = JSON.parse(output) as { bytes: number[]; keys: number }
  expect(bytes).toHaveLength(turns)
  expect(keys).toBe(6)
  const { slope, bound } = slopeOf(bytes.slice(turns / 2))
  // Shown as one sentence, so that a failure tells what was measured.
  const measured = `${Math.round(slope)} ± ${Math.round(bound)} bytes a turn`
  expect([measured, slope + bound < mostBytesATurn]).toEqual([measured, true])
  await base.close()
}, 300_000)
