/** Errors of a user's changes to the own account. */
import { declareError } from '../errors.ts'
import { declareProblems } from '../problems.ts'

/** The password is wrong, or the factor was proven too long ago. */
export const proofRefused = declareError('proof_refused', 403)
export const changeInvalid = declareProblems('change_invalid', 400)
/** A form of the account page was sent without a login, or after its login became too old. */
export const loginTooOld = declareError('login_too_old', 403)
/** The browser returned from the login without the session's cookie. */
export const sessionNotKept = declareError('session_not_kept', 400)
/** A sign-in to an application by an account with a pending deletion. */
export const accountDeletionPending = declareError('account_leaving', 403)
