/** Failures of the artifact store, and which errors of its drivers mean that a store is away. */
import { errors } from 'oidc-provider'

/** A store does not answer: nothing was decided, the same request may be sent again. `src/oidc` answers 503 with Retry-After. */
export class ArtifactStoreUnavailable extends Error {
  readonly code = 'artifact_store_unavailable'

  constructor(cause: unknown) {
    super('artifact store unavailable', { cause })
    this.name = 'ArtifactStoreUnavailable'
  }
}

/** A one-time proof or assertion was presented again (RFC 7519 §4.1.7, RFC 9449 §11.1) without the engine having asked first. */
export class ReplayDetected extends Error {
  readonly code = 'artifact_replayed'

  constructor() {
    super('already used')
    this.name = 'Replayed'
  }
}

/** RFC 9126 §4: told on a page wherever it is noticed. The application that sent the browser has its answer already. */
export const requestUriUsed = (): Error =>
  Object.assign(new errors.InvalidRequestUri('request_uri is invalid, expired, or was already used'), {
    allow_redirect: false,
  })

/**
 * Nothing of a browser's request was written, because something ended while it was under way: its session was renamed or ended (`session`),
 * the account was reset (`account`), its interaction was resumed by another request (`outcome`), or was answered otherwise (`answer`).
 */
export class StaleBrowser extends Error {
  readonly code = 'browser_stale'
  readonly reason: 'session' | 'account' | 'outcome' | 'answer'

  constructor(reason: StaleBrowser['reason']) {
    super(`the ${reason} has changed since the request began`)
    this.name = 'StaleBrowser'
    this.reason = reason
  }
}

// The pool of src/database says it with one code; a plain pool with the socket's or the server's own (PostgreSQL, appendix A:
// 08 connection, 57P shutdown and start-up, 53 too few resources, 57014 statement timeout, 25006 a primary that became a standby).
const unavailableCodes =
  /^(database_unavailable|08...|57P0.|53...|57014|25006|25P03|ECONN[A-Z]+|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|E(HOST|NET)UNREACH|ENOENT|EACCES)$/
const unavailableMessages =
  /^(Connection terminated|timeout exceeded|Query read timeout|Client (was closed|has encountered))/

type DriverError = { code?: unknown; message?: unknown; errors?: unknown }

/** Whether `error`, from pg, says that Postgres is away or overloaded rather than that the statement is wrong. */
export function isPostgresUnavailable(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false
  const { code, message, errors }: DriverError = error
  // Several addresses of one name, none of which answers.
  if (Array.isArray(errors) && errors.some(isPostgresUnavailable)) return true
  return typeof code === 'string'
    ? unavailableCodes.test(code)
    : typeof message === 'string' && unavailableMessages.test(message)
}

/** Whether the same statement may succeed when it is sent again at once: deadlock or serialisation failure. */
export function isPostgresConflict(error: unknown): boolean {
  const code = (error as DriverError | undefined)?.code
  return code === '40P01' || code === '40001'
}

/** Runs what asks Postgres. Throws ArtifactStoreUnavailable when that is away. */
export async function withPostgres<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw isPostgresUnavailable(error) ? new ArtifactStoreUnavailable(error) : error
  }
}
