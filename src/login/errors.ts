/** What can go wrong while signing in. */
import { declareError } from '../errors.ts'

/** One answer for an unknown address, a disabled account, an account without a password, and a wrong password. */
export const wrongCredentials = declareError('wrong_credentials', 400)
/** The right password, and one that is known from a breach: an email leads on. */
export const passwordBreached = declareError('password_breached', 403)
/** The right password; whether it is known from a breach cannot be found out now, and the operator wants that refused. */
export const breachCheckUnavailable = declareError('breach_check_unavailable', 503)
/** A passkey alone, since the password was reset: it may have been added by another person. */
export const passkeyNeedsPassword = declareError('passkey_needs_password', 403)
