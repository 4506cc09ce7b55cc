/**
 * Secrets and files: from a prompt, from standard input, from a path. Never from an argument, which
 * all processes can read.
 */
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import type { Call, Io } from './command.ts'
import { cancelled, fileMalformed, fileUnreadable, inputEmpty, inputsDiffer } from './errors.ts'

/** Whether a terminal is connected, so that the user can answer a prompt. */
export const isInteractive = ({ stdin, stderr }: Io): boolean => stdin.isTTY === true && stderr.isTTY === true

/**
 * All of standard input, without the line feed that `echo` and editors add. Throws `input_empty`.
 */
export async function readSecretFromStdin({ stdin }: Io): Promise<string> {
  const read = (await text(stdin)).replace(/\r?\n$/, '')
  if (read === '') throw inputEmpty()
  return read
}

/**
 * Asks twice and shows stars, on standard error so that standard output has only the answer. Throws
 * `inputs_differ`, `cancelled`.
 */
export async function askForSecret({ io, t }: Pick<Call, 'io' | 't'>, name: string): Promise<string> {
  const ask = (key: string) =>
    prompt(io, ({ password }, context) => password({ message: t(key, { name }), mask: '*' }, context))
  const first = await ask('cli.ask.secret')
  if ((await ask('cli.ask.again')) !== first) throw inputsDiffer()
  return first
}

/** Throws `cancelled`. */
export const confirm = ({ io }: Pick<Call, 'io'>, message: string): Promise<boolean> =>
  prompt(io, (prompts, context) => prompts.confirm({ message, default: false }, context))

type Prompts = typeof import('@inquirer/prompts')

async function prompt<T>(
  { stdin, stderr }: Io,
  ask: (prompts: Prompts, context: { input: NodeJS.ReadableStream; output: NodeJS.WritableStream }) => Promise<T>,
): Promise<T> {
  // Loaded only for a prompt: loading it takes longer than most commands.
  const prompts = await import('@inquirer/prompts')
  try {
    return await ask(prompts, { input: stdin, output: stderr })
  } catch (error) {
    throw error instanceof Error && error.name === 'ExitPromptError' ? cancelled() : error
  }
}

/** The text of a file, or of standard input for `-`. Throws `file_unreadable`. */
export async function readInput({ stdin }: Io, path: string): Promise<string> {
  if (path === '-') return text(stdin)
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw fileUnreadable({ params: { path, reason: (error as NodeJS.ErrnoException).code ?? 'error' } })
  }
}

/** A JSON object from a file. Throws `file_unreadable`, `file_malformed`. */
export async function readJsonObject(io: Io, path: string): Promise<Record<string, unknown>> {
  const content = await readInput(io, path)
  try {
    const value: unknown = JSON.parse(content)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch {
    // Thrown below, without the content: the file may contain a secret.
  }
  throw fileMalformed({ params: { path } })
}
