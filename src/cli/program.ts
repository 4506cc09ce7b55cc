/**
 * Builds the commander program from the list of commands, with help, examples, `--json` and options
 * for each.
 */
import { Command, InvalidArgumentError, Option } from 'commander'
import type { Sentences } from '../locales.ts'
import type { CliCommand, CliOption, Io } from './command.ts'

type Deps = {
  commands: readonly CliCommand[]
  t: Sentences['t']
  version: string
  io: Pick<Io, 'stdout' | 'stderr'>
  /**
   * Whether the output is for a program: then usage errors are JSON, without the hint for people.
   */
  isJson: boolean
  run: (command: CliCommand, args: readonly string[], options: Record<string, unknown>) => Promise<void>
}

/** Throws CommanderError where commander would exit. */
export function createProgram({ commands, t, version, io, isJson, run }: Deps): Command {
  const program = new Command('latchkey')
  const prepare = (command: Command) =>
    command
      .exitOverride()
      .configureOutput({
        writeOut: (text) => void io.stdout.write(text),
        writeErr: (text) => void io.stderr.write(text),
        outputError: (text, write) => write(isJson ? usageAsJson(text) : text),
      })
      .helpOption('-h, --help', t('cli.help'))
      .showHelpAfterError(isJson ? false : t('cli.helpHint'))

  prepare(program)
    .description(t('cli.about'))
    .version(version, '--version', t('cli.version'))
    .helpCommand(false)
    .addHelpText('after', () => `\n${t('cli.exitCodes')}`)

  for (const command of commands) {
    const words = command.name.split(' ')
    const name = words.at(-1) ?? ''
    const parent = words.length === 1 ? program : group(words[0] ?? '', program, prepare, t)
    const made = prepare(parent.command(name)).description(t(command.about))
    for (const { syntax, text } of command.arguments ?? []) made.argument(syntax, t(text))
    for (const option of command.options ?? []) made.addOption(createOption(option, t))
    made.option('--json', t('cli.json'))
    made.addHelpText('after', () => examplesOf(command, t))
    made.action(async (...given: unknown[]) => {
      const args = given.slice(0, -2).filter((one) => typeof one === 'string')
      await run(command, args, made.opts())
    })
  }
  return program
}

function group(name: string, program: Command, prepare: (command: Command) => Command, t: Sentences['t']): Command {
  const found = program.commands.find((command) => command.name() === name)
  if (found) return found
  return prepare(program.command(name))
    .description(t(`cli.groups.${name}`))
    .helpCommand(false)
}

function createOption({ flags, text, isRequired, isRepeated, choices, isWholeNumber }: CliOption, t: Sentences['t']) {
  const option = new Option(flags, t(text))
  if (isRequired) option.makeOptionMandatory()
  if (choices) option.choices(choices)
  if (isRepeated) option.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value])
  if (isWholeNumber) {
    option.argParser((value: string) => {
      if (!/^\d{1,9}$/.test(value)) throw new InvalidArgumentError(t('cli.wholeNumber'))
      return Number(value)
    })
  }
  return option
}

/** Commander's own message, in the JSON format of all failures. */
function usageAsJson(text: string): string {
  const message = text.trim().replace(/^error: /, '')
  return `${JSON.stringify({ error: { code: 'usage', message, problems: [] } })}\n`
}

const examplesOf = ({ examples }: CliCommand, t: Sentences['t']): string =>
  `\n${t('cli.examples')}\n${examples.map((example) => `  ${example}`).join('\n')}`
