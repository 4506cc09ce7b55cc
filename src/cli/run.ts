/**
 * Runs one command line: reads the configuration, opens what the command needs, prints, closes, and
 * returns the exit code.
 */
import { readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { CommanderError } from 'commander'
import { WrongMasterKey } from '../../keys/errors.ts'
import type { Initiator } from '../audit/service.ts'
import type { ConfigResult } from '../config/read.ts'
import { readConfig } from '../config/read.ts'
import { createSentences } from '../locales.ts'
import { createLog } from '../log.ts'
import type { Call, CliCommand, Io } from './command.ts'
import { exitCodes } from './command.ts'
import { commands } from './commands.ts'
import { ConfigurationRefused, outputUnwritable } from './errors.ts'
import { describeFailure } from './failure.ts'
import { createOpener } from './open.ts'
import { createProgram } from './program.ts'

type Options = { argv: readonly string[]; env: Readonly<Record<string, string | undefined>>; io: Io }

/** `argv` begins with the first word after `latchkey`. Never throws; returns one of `exitCodes`. */
export async function runCli({ argv, env, io }: Options): Promise<number> {
  const sentences = createSentences({ isStrict: false })
  const { t, has } = sentences
  // The parts log to standard error, by default only warnings and errors.
  const level = env.LOG_LEVEL?.trim() ? 'debug' : 'warn'
  let exitCode: number = exitCodes.ok
  let outputFailure: NodeJS.ErrnoException | undefined
  io.stdout.on('error', (error: NodeJS.ErrnoException) => {
    outputFailure ??= error
  })

  async function run(command: CliCommand, args: readonly string[], options: Record<string, unknown>): Promise<void> {
    const isJson = options.json === true
    let config: ConfigResult | undefined
    const read = () => {
      config ??= readConfig(env)
      return config
    }
    const logLevel = () => {
      const result = read()
      return level === 'warn' || 'problems' in result ? 'warn' : result.config.logLevel
    }
    const log = createLog({ level: logLevel(), destination: io.stderr })
    const opener = createOpener({ readConfig: read, log })
    const call: Call = { args, options, io, t, has, log, by: operatorOf(command), readConfig: read, ...opener.open }
    try {
      const outcome = await command.run(call)
      exitCode = outcome.exitCode ?? exitCodes.ok
      const text = isJson ? `${JSON.stringify(outcome.data, null, 2)}\n` : `${outcome.text}\n`
      await new Promise((resolve) => io.stdout.write(outcome.isWritten ? '' : text, resolve))
      // Node emits the error of a write after its callback.
      await new Promise(setImmediate)
      if (outputFailure) throw outputFailure
    } catch (thrown) {
      // A closed pipe (`| head`) is not an error. A full disk is one.
      if (outputFailure?.code === 'EPIPE' && thrown === outputFailure) return
      const reason = outputFailure?.code ?? 'error'
      const error = thrown === outputFailure ? outputUnwritable({ cause: thrown, params: { reason } }) : thrown
      const isConfiguration = error instanceof ConfigurationRefused || error instanceof WrongMasterKey
      exitCode = isConfiguration ? exitCodes.configuration : exitCodes.refused
      io.stderr.write(`${describeFailure(error, { sentences, isJson })}\n`)
      log.debug({ err: error }, 'the command failed')
    } finally {
      await opener.close().catch((error) => log.warn({ err: error }, 'not closed'))
    }
  }

  try {
    await createProgram({ commands, t, version: versionOf(), io, isJson: argv.includes('--json'), run }).parseAsync(
      [...argv],
      { from: 'user' },
    )
    return exitCode
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    // Help and version exit with 0. All other errors of commander are usage errors.
    return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  }
}

/** The system user that runs the command. */
const operatorOf = ({ name }: CliCommand): Initiator => ({
  actor: { type: 'operator', id: userName() },
  origin: { command: name },
})

function userName(): string {
  try {
    return userInfo().username.slice(0, 200)
  } catch {
    // The user of a container may have no name.
    return `uid ${process.getuid?.() ?? 'unknown'}`
  }
}

const versionOf = (): string => JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version
