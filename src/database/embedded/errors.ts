/**
 * Why the embedded database cannot be used. Each error occurs at start-up, and its message says
 * what to do.
 */
import { declareError } from '../../errors.ts'

/** There are no Postgres programs for this operating system and processor. Params: `platform`. */
export const embeddedUnsupported = declareError('embedded_database_unsupported', 503)
/** The programs need glibc, and this system (Alpine) has musl. */
export const embeddedNeedsGlibc = declareError('embedded_database_needs_glibc', 503)
/** The optional package with the programs is not installed. Params: `package`. */
export const embeddedNotInstalled = declareError('embedded_database_not_installed', 503)
/**
 * The data folder belongs to another user. Params: `folder`, `owner`, `user` (numeric user ids).
 */
export const embeddedOtherOwner = declareError('embedded_database_other_owner', 503)
/**
 * A Postgres on another machine or in another container, which this process cannot reach, uses the
 * data folder. Params: `folder`.
 */
export const embeddedElsewhere = declareError('embedded_database_elsewhere', 503)
/** The folder for the socket exists and belongs to another user. Params: `folder`. */
export const embeddedSocketFolder = declareError('embedded_database_socket_folder', 503)
/**
 * Postgres ended or did not answer. Params: `folder`, `log` (its file), `detail` (its last log
 * lines).
 */
export const embeddedFailed = declareError('embedded_database_failed', 503)
