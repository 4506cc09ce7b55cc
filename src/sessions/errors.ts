/** Errors of sessions. */
import { declareError } from '../errors.ts'

/** The session has ended or belongs to another account. The error does not distinguish the two. */
export const sessionGone = declareError('session_gone', 404)
/** The geolocation file is not an MMDB file. */
export const geolocationUnreadable = declareError('places_unreadable', 503)
