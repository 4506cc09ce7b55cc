/** Errors of registration. */
import { declareError } from '../errors.ts'
import { declareProblems } from '../problems.ts'

export const registrationInvalid = declareProblems('registration_invalid', 400)
/** Registration is disabled, or by invitation only. */
export const registrationClosed = declareError('registration_closed', 403)
/** The right password, but the email must be proven first. */
export const emailUnverified = declareError('email_unverified', 403)
/** No invitation is possible, because no email can be sent. */
export const emailNotConfigured = declareError('mail_not_configured', 409)
