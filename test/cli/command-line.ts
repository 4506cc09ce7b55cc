/** The command line as a user runs it: arguments, standard input, output and an exit code. */
import { spawn } from 'node:child_process'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { cheapPasswordHash, shiftClock } from '../support/processes.ts'

const root = path.resolve(import.meta.dirname, '../..')
const cliFile = path.join(root, 'src/cli.ts')
export const developmentSeed = path.join(root, 'seeds/development.yaml')

const { NODE_COMPILE_CACHE } = process.env
const cache = NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE }

export type Ran = { code: number | null; stdout: string; stderr: string; json: () => Answer }
// biome-ignore lint/suspicious/noExplicitAny: what a command answers is what the test looks at
export type Answer = any

type Options = { env?: Record<string, string>; stdin?: string; cwd?: string; script?: string }

export async function latchkey(
  args: readonly string[],
  { env = {}, stdin = '', cwd = '/', script = cliFile }: Options = {},
): Promise<Ran> {
  // Only in tests that shorten the lease. Other commands run as a user starts them.
  const preload = env.LATCHKEY_TEST_LEASE_MS === undefined ? [] : ['--import', shiftClock]
  const child = spawn(process.execPath, [...preload, script, ...args], {
    cwd,
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...cache, ...cheapPasswordHash, ...env },
  })
  // A command that does not read its input may end before the input is written.
  child.stdin.on('error', () => {})
  child.stdin.end(stdin)
  const [stdout, stderr, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => child.on('close', resolve)),
  ])
  return { code, stdout, stderr, json: () => JSON.parse(stdout) }
}
