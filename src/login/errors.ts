/** Errors of signing in. */
import { declareError } from '../errors.ts'

/** The same answer for an unknown email, a disabled account, no password, and a wrong password. */
export const wrongCredentials = declareError('wrong_credentials', 400)
/** The right password, but known from a breach. An email has the link to a new one. */
export const passwordBreached = declareError('password_breached', 403)
/** The right password, but its breach check failed and the operator requires it. */
export const breachCheckUnavailable = declareError('breach_check_unavailable', 503)
/** A passkey alone after a password reset: another person may have added it. */
export const passkeyNeedsPassword = declareError('passkey_needs_password', 403)
