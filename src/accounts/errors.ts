/** Failures of accounts. */
import { declareError } from '../errors.ts'
import { declareProblems } from '../problems.ts'

export const accountInvalid = declareProblems('account_invalid', 400)
/** `keeper` and `marked` are ids. */
export const accountAmbiguous = declareError('account_ambiguous', 409)
export const accountNotFound = declareError('account_not_found', 404)
/** Its credentials were reset after the request had begun: nothing of it is done. */
export const accountReset = declareError('account_reset', 409)
export const emailTaken = declareError('email_taken', 409)
