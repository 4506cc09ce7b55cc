/** The log: JSON lines in UTC, with what must never be written taken out. */

import type { DestinationStream, Logger } from 'pino'
import { pino } from 'pino'

export type Log = Logger

export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

const secretFields = ['password', 'secret', 'client_secret', 'code', 'token', 'cookie', 'authorization', 'assertion']

type Failure = Error & { code?: unknown }

/**
 * What a line says of a failure. Drivers hang whole connections and rows on theirs; those stay out. The code is called errorCode,
 * because a field called code may be an authorization code and is removed.
 */
function failureFields(error: Failure): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: String(error) }
  const { name, message, stack, code, cause } = error
  return { type: name, message, stack, errorCode: code, ...(cause instanceof Error && { cause: failureFields(cause) }) }
}

// JSON escapes what is below U+0020 only. A terminal obeys C1 controls, some readers end a line at NEL, LS or PS, and bidi controls turn a line
// around: whoever names a user agent or a client could otherwise write what looks like another line.
const unprintable = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

const escapeUnprintable = (line: string): string =>
  line.replace(unprintable, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** `level` is the least severe line written; `destination` is standard output unless a test hands in its own stream. */
export function createLog({ level, destination }: { level: LogLevel; destination?: DestinationStream }): Log {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: failureFields },
    hooks: { streamWrite: escapeUnprintable },
    redact: { paths: secretFields.flatMap((field) => [field, `*.${field}`]), censor: '[removed]' },
  }
  return destination ? pino(options, destination) : pino(options)
}
