/** Errors of second factors. */
import { declareError } from '../errors.ts'
import { declareProblems } from '../problems.ts'

/** The code or passkey is wrong or already used. */
export const factorRefused = declareError('factor_refused', 400)
/** The passkey is of another site or account, for another challenge, or already used. */
export const passkeyRefused = declareError('passkey_refused', 400)
/** Too many wrong answers in this login. The login is ended. */
export const factorTriesUsed = declareError('factor_tries_used', 403)
/** Too many wrong answers for this account. */
export const factorLocked = declareError('factor_locked', 429)
/** Too many wrong answers in a row: the method is off until a reset (SP 800-63B-4 §3.2.2). */
export const factorOff = declareError('factor_off', 403)
/** The form belongs to a step that is not the next step of the login. */
export const factorNotAsked = declareError('factor_not_asked', 403)
/** A factor was enrolled too early or too late to be removed by an emailed link. */
export const factorResetRefused = declareError('factor_reset_refused', 409)
/** The last factor of an account that requires one cannot be removed. */
export const factorNeeded = declareError('factor_needed', 409)
export const factorNotFound = declareError('factor_not_found', 404)
/** The code was not made from the secret that the page showed. */
export const factorInvalid = declareProblems('factor_invalid', 400)
