/** What a command is: a descriptor in a list, as a route is. `program.ts` makes the command line of them, `run.ts` runs one. */
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

/** What a command works with. Everything is opened when it is first asked for, and closed when the command has ended. */
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
  /** Throws ConfigurationRefused. Opens the database, the embedded one too, and changes nothing in it. */
  openStores: () => Promise<Stores>
  /** Throws ConfigurationRefused. Brings the schema up to date first, as a start of the server does. */
  openParts: () => Promise<Parts>
}

/** `data` is what `--json` prints, `text` what a person reads. */
/** `isWritten`: the command has written its answer to standard output itself. */
export type Outcome = { data: unknown; text: string; exitCode?: number; isWritten?: boolean }

export type CliOption = {
  /** Commander's: `--name <name>`, `--first-party`. A secret is never the value of an option. */
  flags: string
  /** Key of its sentence. */
  text: string
  isRequired?: boolean
  /** May be given several times; the value is a list. */
  isRepeated?: boolean
  choices?: readonly string[]
  isWholeNumber?: boolean
}

export type CliCommand = {
  /** Its words: `client add`. */
  name: string
  /** Key of its sentence. */
  about: string
  arguments?: readonly { syntax: string; text: string }[]
  options?: readonly CliOption[]
  /** What follows `latchkey` on a line that works. */
  examples: readonly string[]
  run: (call: Call) => Promise<Outcome>
}

/** The documented exit codes; 78 is sysexits.h EX_CONFIG. */
export const exitCodes = { ok: 0, refused: 1, usage: 2, configuration: 78 } as const
