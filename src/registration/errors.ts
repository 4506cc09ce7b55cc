/** What can go wrong while somebody registers. */
import { declareError } from '../errors.ts'
import { declareProblems } from '../problems.ts'

export const registrationInvalid = declareProblems('registration_invalid', 400)
/** Registration is off, or for invited people only. */
export const registrationClosed = declareError('registration_closed', 403)
/** The right password, and an address that must be proven first. */
export const emailUnverified = declareError('email_unverified', 403)
/** Nothing can be sent, so nobody can be invited. */
export const emailNotConfigured = declareError('mail_not_configured', 409)
