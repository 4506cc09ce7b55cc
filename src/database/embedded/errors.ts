/** Why the embedded database cannot be used; each is met at start-up and says what to do instead. */
import { declareError } from '../../errors.ts'

/** There are no Postgres programs for this operating system and processor. Params: `platform`. */
export const embeddedUnsupported = declareError('embedded_database_unsupported', 503)
/** The programs need glibc, and this system (Alpine) has musl. */
export const embeddedNeedsGlibc = declareError('embedded_database_needs_glibc', 503)
/** The optional package with the programs is not installed. Params: `package`. */
export const embeddedNotInstalled = declareError('embedded_database_not_installed', 503)
/** The data folder belongs to another user. Params: `folder`, `owner`, `user` (numbers of users). */
export const embeddedOtherOwner = declareError('embedded_database_other_owner', 503)
/** A Postgres that cannot be reached from here, on another machine or in another container, holds the data folder. Params: `folder`. */
export const embeddedElsewhere = declareError('embedded_database_elsewhere', 503)
/** The folder for the socket exists and is not ours. Params: `folder`. */
export const embeddedSocketFolder = declareError('embedded_database_socket_folder', 503)
/** Postgres ended or did not answer. Params: `folder`, `log` (its file), `detail` (its last words). */
export const embeddedFailed = declareError('embedded_database_failed', 503)
