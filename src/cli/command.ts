/**
 * A command is an entry in a list, as a route is. `program.ts` builds the command line, `run.ts`
 * runs a command.
 */
import type { Initiator } from '../audit/service.ts'
import type { Parts } from '../compose/parts.ts'
import type { ConfigResult } from '../config/read.ts'
import type { Sentences } from '../locales.ts'
import type { Log } from '../log.ts'
import type { Stores } from '../stores.ts'

export type Io = {
  stdin: NodeJS.ReadStream
  stdout: NodeJS.WriteStream
  stderr: NodeJS.WriteStream
}

/**
 * What a command works with. Each part is opened at its first use and closed when the command ends.
 */
export type Call = {
  args: readonly string[]
  options: Readonly<Record<string, unknown>>
  io: Io
  t: Sentences['t']
  has: Sentences['has']
  log: Log
  /** The system user, and the command. */
  by: Initiator
  readConfig: () => ConfigResult
  /**
   * Throws ConfigurationRefused. Opens the database, also the embedded one, and changes nothing in
   * it.
   */
  openStores: () => Promise<Stores>
  /**
   * Throws ConfigurationRefused. Runs pending migrations first, as the start of the server does.
   */
  openParts: () => Promise<Parts>
}

/** `data` is printed with `--json`, `text` without it. */
/** `isWritten`: the command has already written to standard output. */
export type Outcome = { data: unknown; text: string; exitCode?: number; isWritten?: boolean }

export type CliOption = {
  /**
   * In commander's syntax: `--name <name>`, `--first-party`. A secret is never the value of an
   * option.
   */
  flags: string
  /** The key of its text in the catalogue. */
  text: string
  isRequired?: boolean
  /** May be repeated; the value is a list. */
  isRepeated?: boolean
  choices?: readonly string[]
  isWholeNumber?: boolean
}

export type CliCommand = {
  /** The words of the command: `client add`. */
  name: string
  /** The key of its text in the catalogue. */
  about: string
  arguments?: readonly { syntax: string; text: string }[]
  options?: readonly CliOption[]
  /** The words after `latchkey` on a correct command line. */
  examples: readonly string[]
  run: (call: Call) => Promise<Outcome>
}

/** The documented exit codes; 78 is sysexits.h EX_CONFIG. */
export const exitCodes = { ok: 0, refused: 1, usage: 2, configuration: 78 } as const
