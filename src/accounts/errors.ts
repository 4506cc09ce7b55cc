/** Failures of accounts. */
import { declareError } from '../errors.ts'
import { declareProblems } from '../problems.ts'

export const accountInvalid = declareProblems('account_invalid', 400)
export const accountNotFound = declareError('account_not_found', 404)
export const emailTaken = declareError('email_taken', 409)
