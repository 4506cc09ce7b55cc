/** The log: JSON lines in UTC, without secrets. */

import type { DestinationStream, Logger } from 'pino'
import { pino } from 'pino'

export type Log = Logger

export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

const secretFields = ['password', 'secret', 'client_secret', 'code', 'token', 'cookie', 'authorization', 'assertion']

type Failure = Error & { code?: unknown }

/**
 * The fields of a logged failure. Errors of drivers contain whole connections and rows, which are
 * left out. The code becomes errorCode, because `code` may be an authorization code and is removed.
 */
function failureFields(error: Failure): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: String(error) }
  const { name, message, stack, code, cause } = error
  return { type: name, message, stack, errorCode: code, ...(cause instanceof Error && { cause: failureFields(cause) }) }
}

// JSON escapes only below U+0020. A user agent or client name with C1 controls, line separators or
// bidi controls could otherwise imitate another line in a terminal or log reader.
const unprintable = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

const escapeUnprintable = (line: string): string =>
  line.replace(unprintable, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)

/**
 * `level` is the least severe level that is written; `destination` is standard output, or a stream
 * of a test.
 */
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

/**
 * Logs repeated work that may fail: the first failure as a warning, the next ones for debugging,
 * until `succeeded` is called.
 */
export function createFailureLog(log: Pick<Log, 'warn' | 'debug'>, message: string, about: object = {}) {
  let isFailing = false
  return {
    failed: (error: unknown): void => {
      log[isFailing ? 'debug' : 'warn']({ ...about, err: error }, message)
      isFailing = true
    },
    succeeded: (): void => {
      isFailing = false
    },
  }
}
