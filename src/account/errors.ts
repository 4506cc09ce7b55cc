/** What can go wrong while people change their own account. */
import { declareError } from '../errors.ts'
import { declareProblems } from '../problems.ts'

/** The password is not the account's, or the factor was proven too long ago. */
export const proofRefused = declareError('proof_refused', 403)
export const changeInvalid = declareProblems('change_invalid', 400)
