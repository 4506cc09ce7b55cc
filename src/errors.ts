/** Failures with a name: AppError, and the register of every code that exists. One file (`http/errors.ts`) turns them into answers. */

export type AppErrorOptions = {
  /** Values for the placeholders of the code's sentence in `locales/`. */
  params?: Readonly<Record<string, string | number>>
  /** For the log only, never for the answer. */
  cause?: unknown
  /** Becomes the Retry-After header (RFC 9110 §10.2.3). */
  retryAfterSeconds?: number
}

/** A failure that a caller may see: a stable `code`, an HTTP `status`, and the values its sentence needs. */
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
 * Puts a code into the register and gives the function that makes its error. Its sentence is `errors.<code>` in `locales/`.
 * Throws when the code is taken: one failure has one name.
 */
export function declareError(code: string, status: number): (options?: AppErrorOptions) => AppError {
  if (register.has(code)) throw new Error(`error code ${code} is declared twice`)
  register.set(code, status)
  return (options) => new AppError(code, status, options)
}

/** Every declared code with its HTTP status, by name: read by the test that compares `locales/` and `docs/reference/error-codes.md`. */
export const listErrorCodes = (): readonly { code: string; status: number }[] =>
  [...register].map(([code, status]) => ({ code, status })).sort((a, b) => a.code.localeCompare(b.code))
