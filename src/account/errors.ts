/** What can go wrong while people change their own account. */
import { declareError } from '../errors.ts'
import { declareProblems } from '../problems.ts'

/** The password is not the account's, or the factor was proven too long ago. */
export const proofRefused = declareError('proof_refused', 403)
export const changeInvalid = declareProblems('change_invalid', 400)
/** A form on the account page, without a login or on one that is too old for it. */
export const loginTooOld = declareError('login_too_old', 403)
/** The browser came back from the login without the session's cookie. */
export const sessionNotKept = declareError('session_not_kept', 400)
/** Somebody who has asked for the end of the account signs in at an application. */
export const accountDeletionPending = declareError('account_leaving', 403)
