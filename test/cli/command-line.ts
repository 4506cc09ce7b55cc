/** The command line: arguments, standard input, output and an exit code. */
import { spawn } from 'node:child_process'
import path from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { Io } from '../../src/cli/command.ts'
import { runCli } from '../../src/cli/run.ts'
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

/** Runs a command in this process, which takes a tenth of the time of a new one. */
export async function runCommand(
  args: readonly string[],
  { env = {}, stdin = '' }: Pick<Options, 'env' | 'stdin'> = {},
): Promise<Ran> {
  const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() }
  streams.stdin.end(stdin)
  const written = [text(streams.stdout), text(streams.stderr)] as const
  // The streams of a process also have the properties of a terminal. Without one they are absent.
  const io = streams as unknown as Io
  const { PATH = '', HOME = '' } = process.env
  // A command warns of a clock that differs from the database's. Tests move this process's clock.
  const code = await runCli({ argv: args, env: { PATH, HOME, LOG_LEVEL: 'error', ...cheapPasswordHash, ...env }, io })
  streams.stdout.end()
  streams.stderr.end()
  const [stdout, stderr] = await Promise.all(written)
  return { code, stdout, stderr, json: () => JSON.parse(stdout) }
}

/** Runs a command as a user does: as a process of its own. */
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
