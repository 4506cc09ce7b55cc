/** The memory that a hundred key rotations leave: it must not grow. */
import { spawn } from 'node:child_process'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { createTestDatabase } from '../support/database.ts'
import { watchProcess } from '../support/watchdog.ts'

const [firstTurns, turns] = [30, 100]
/** An engine that is not released costs 180 kilobytes a rotation. */
const mostBytesATurn = 2 * 1024

test(`memory is level after ${turns} rotations of the keys`, async () => {
  const base = await createTestDatabase()
  const script = path.join(import.meta.dirname, 'key-memory.ts')
  const child = spawn(process.execPath, [script, base.url, String(firstTurns), String(turns)], {
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  watchProcess(child)
  const [output, problems] = await Promise.all([text(child.stdout), text(child.stderr)])
  expect(problems.replace(/^.*ExperimentalWarning.*\n.*\n/gm, '')).toBe('')
  const { bytes, keys } = JSON.parse(output) as { bytes: number[]; keys: number }
  expect(keys).toBe(6)
  const slope = (bytes[1]! - bytes[0]!) / (turns - firstTurns)
  // Shown as one sentence, so that a failure shows the measurement.
  const measured = `${Math.round(slope)} bytes a turn`
  expect([measured, slope < mostBytesATurn]).toEqual([measured, true])
  await base.close()
}, 300_000)
