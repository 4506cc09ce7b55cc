/** What can go wrong with sessions. */
import { declareError } from '../errors.ts'

/** It has ended, or is not this person's: nobody is told which. */
export const sessionGone = declareError('session_gone', 404)
/** The file that says where addresses are is no MMDB file. */
export const geolocationUnreadable = declareError('places_unreadable', 503)
