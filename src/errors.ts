/**
 * Named failures: AppError, and the register of every code. One file (`http/errors.ts`) turns them
 * into responses.
 */

export type AppErrorOptions = {
  /** Values for the placeholders of the message in `locales/`. */
  params?: Readonly<Record<string, string | number>>
  /** Only for the log, never for the response. */
  cause?: unknown
  /** Becomes the Retry-After header (RFC 9110 §10.2.3). */
  retryAfterSeconds?: number
}

/**
 * A failure that a client may see: a stable `code`, an HTTP `status`, and the values of its
 * message.
 */
export class AppError extends Error {
  readonly code: string
  readonly status: number
  readonly params: Readonly<Record<string, string | number>>
  readonly retryAfterSeconds: number | undefined

  constructor(code: string, status: number, options: AppErrorOptions = {}) {
    super(code, { cause: options.cause })
    this.name = 'AppError'
    this.code = code
    this.status = status
    this.params = options.params ?? {}
    this.retryAfterSeconds = options.retryAfterSeconds
  }
}

const register = new Map<string, number>()

/**
 * Registers a code and returns the function that creates its error. Its message is `errors.<code>`
 * in `locales/`. Throws when the code is already registered: one failure has one name.
 */
export function declareError(code: string, status: number): (options?: AppErrorOptions) => AppError {
  if (register.has(code)) throw new Error(`error code ${code} is declared twice`)
  register.set(code, status)
  return (options) => new AppError(code, status, options)
}

/**
 * Every declared code with its HTTP status, sorted: for the test that compares `locales/` and
 * `docs/reference/error-codes.md`.
 */
export const listErrorCodes = (): readonly { code: string; status: number }[] =>
  [...register].map(([code, status]) => ({ code, status })).sort((a, b) => a.code.localeCompare(b.code))
