/** Errors of accounts. */
import { declareError } from '../errors.ts'
import { declareProblems } from '../problems.ts'

export const accountInvalid = declareProblems('account_invalid', 400)
/** `keeper` and `marked` are account ids. */
export const accountAmbiguous = declareError('account_ambiguous', 409)
export const accountNotFound = declareError('account_not_found', 404)
/** The credentials were reset after the request began. Nothing of the request is done. */
export const accountReset = declareError('account_reset', 409)
export const emailTaken = declareError('email_taken', 409)
