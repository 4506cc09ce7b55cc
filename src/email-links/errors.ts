/** What can be wrong with an emailed link. */
import { declareError } from '../errors.ts'

/** One answer for unknown, spent, ended by a newer one, expired, and sent to an address that is no longer the account's. */
export const linkExpired = declareError('link_expired', 400)
