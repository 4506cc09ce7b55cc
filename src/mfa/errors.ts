/** What can go wrong with a second factor. */
import { declareError } from '../errors.ts'
import { declareProblems } from '../problems.ts'

/** The code or passkey is not the one, or has been used. */
export const factorRefused = declareError('factor_refused', 400)
/** Not a passkey of this place and person, or not the answer to this challenge, or the second one. */
export const passkeyRefused = declareError('passkey_refused', 400)
/** Too many wrong answers in this login: it is over. */
export const factorTriesUsed = declareError('factor_tries_used', 403)
/** Too many wrong answers of this person. */
export const factorLocked = declareError('factor_locked', 429)
/** Too many wrong answers in a row of this method: it is off until a reset (SP 800-63B-4 §3.2.2). */
export const factorOff = declareError('factor_off', 403)
/** The step of the login that the form belongs to is not the next one. */
export const factorNotAsked = declareError('factor_not_asked', 403)
/** A factor that is or was on the account is too old, or too new, to go by an emailed link. */
export const factorResetRefused = declareError('factor_reset_refused', 409)
/** The last factor of somebody who must have one. */
export const factorNeeded = declareError('factor_needed', 409)
export const factorNotFound = declareError('factor_not_found', 404)
/** The code does not come from the secret that was shown. */
export const factorInvalid = declareProblems('factor_invalid', 400)
