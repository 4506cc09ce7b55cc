/** The test run: its report of missing programs, and its last line. */
import { spawn } from 'node:child_process'
import path from 'node:path'
import { text } from 'node:stream/consumers'

async function run(args: readonly string[], env: Record<string, string>) {
  const child = spawn(process.execPath, [path.resolve(import.meta.dirname, '../run.ts'), '-i', ...args], {
    env: { ...process.env, CI: '', ...env },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const [output, status] = await Promise.all([
    text(child.stdout),
    new Promise<number | null>((resolve) => child.once('close', resolve)),
  ])
  return { status, output, lastLine: output.trimEnd().split('\n').at(-1) }
}

const needsRedis = ['test/support/redis.test.ts']

test('without a program its tests are skipped by name', async () => {
  const { status, output, lastLine } = await run(needsRedis, { LATCHKEY_TEST_WITHOUT: 'redis-server' })
  expect(output).toContain(`Skipped, because redis-server is not installed:
  test/support/redis.test.ts › Redis for a test (2)`)
  expect(lastLine).toBe('0 passed, 0 failed')
  expect(status).toBe(0)
})

test('with CI=true a missing program is a failure', async () => {
  const { status, lastLine } = await run(needsRedis, { LATCHKEY_TEST_WITHOUT: 'redis-server', CI: 'true' })
  expect(lastLine).toBe('0 passed, 1 failed')
  expect(status).toBe(1)
})

test('a run without tests fails', async () => {
  const { status, lastLine } = await run(['test/nothing-of-this-name'], {})
  expect(lastLine).toBe('0 passed, 1 failed')
  expect(status).toBe(1)
})
