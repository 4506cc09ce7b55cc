/** Errors of the login throttle and of the rate limits. */
import { declareError } from '../errors.ts'

/** The proof of work is missing, wrong, spent or expired. The password was not verified. */
export const captchaNeeded = declareError('captcha_needed', 400)
/** Too many attempts for this identifier, existing or not. */
export const signInLocked = declareError('sign_in_locked', 429)
/** Too many failures from this network. */
export const tooManyFailures = declareError('too_many_failures', 429)
/** A hundred consecutive failures: only known browsers, a passkey and the emailed link work. */
export const passwordOff = declareError('password_off', 403)
/** Too many wrong passwords in a session that asks for the password again. */
export const proofLocked = declareError('proof_locked', 429)
/** More requests than the policy of the form or endpoint allows. */
export const tooManyRequests = declareError('too_many_requests', 429)
/** The text to unlock is not an IP address. */
export const networkInvalid = declareError('network_invalid', 400)
