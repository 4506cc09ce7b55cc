/**
 * Failures of the artifact store, and the driver errors that mean that Postgres is unavailable or
 * that a statement may be repeated.
 */
import { errors } from 'oidc-provider'

/**
 * A store is unavailable: nothing was decided, and the request may be repeated. `src/oidc` answers
 * 503 with Retry-After.
 */
export class ArtifactStoreUnavailable extends Error {
  readonly code = 'artifact_store_unavailable'

  constructor(cause: unknown) {
    super('artifact store unavailable', { cause })
    this.name = 'ArtifactStoreUnavailable'
  }
}

/**
 * A one-time proof or assertion was used again (RFC 7519 §4.1.7, RFC 9449 §11.1). The engine
 * saved it without a look-up, and the store refused it.
 */
export class ReplayDetected extends Error {
  readonly code = 'artifact_replayed'

  constructor() {
    super('already used')
    this.name = 'ReplayDetected'
  }
}

/** RFC 9126 §4. Always shown on a page: the client has received its response already. */
export const requestUriUsed = (): Error =>
  Object.assign(new errors.InvalidRequestUri('request_uri is invalid, expired, or was already used'), {
    allow_redirect: false,
  })

/**
 * A browser's request came too late: its session, account or interaction had changed meanwhile.
 * Its conditional writes were not made. Unconditional writes and revocations stay.
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

// `database_unavailable` is from src/database. ECONN… to EACCES are from Node. The rest are
// SQLSTATEs: 08 connection, 57P shutdown, 53 resources, 57014 and 25P03 timeout, 25006 standby.
const unavailableCodes =
  /^(database_unavailable|08...|57P0.|53...|57014|25006|25P03|ECONN[A-Z]+|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|E(HOST|NET)UNREACH|ENOENT|EACCES)$/
const unavailableMessages =
  /^(Connection terminated|timeout exceeded|Query read timeout|Client (was closed|has encountered))/

type DriverError = { code?: unknown; message?: unknown; errors?: unknown }

/**
 * Whether `error`, from pg, means that Postgres is unavailable or overloaded, not that the
 * statement is wrong.
 */
export function isPostgresUnavailable(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false
  const { code, message, errors }: DriverError = error
  // One host name has several IP addresses, and none of them answers.
  if (Array.isArray(errors) && errors.some(isPostgresUnavailable)) return true
  return typeof code === 'string'
    ? unavailableCodes.test(code)
    : typeof message === 'string' && unavailableMessages.test(message)
}

/**
 * Whether the statement may succeed if it is repeated at once: deadlock or serialisation failure.
 */
export function isPostgresConflict(error: unknown): boolean {
  const code = (error as DriverError | undefined)?.code
  return code === '40P01' || code === '40001'
}

/** Runs work on Postgres. Throws ArtifactStoreUnavailable when Postgres is unavailable. */
export async function withPostgres<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw isPostgresUnavailable(error) ? new ArtifactStoreUnavailable(error) : error
  }
}
