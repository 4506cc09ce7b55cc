/** Refusals of the login throttle and of the rate limits. */
import { declareError } from '../errors.ts'

/** The proof of work is missing, wrong, spent or too old: nothing was verified. */
export const captchaNeeded = declareError('captcha_needed', 400)
/** Too many tries at this identifier, existing or not. */
export const signInLocked = declareError('sign_in_locked', 429)
/** Too many failures from this network. */
export const tooManyFailures = declareError('too_many_failures', 429)
/** A hundred failures without a success: only browsers that are known, a passkey and the emailed link lead in. */
export const passwordOff = declareError('password_off', 403)
/** Too many wrong passwords of somebody who is signed in and is asked once more. */
export const proofLocked = declareError('proof_locked', 429)
/** More requests than the policy of the form or endpoint allows. */
export const tooManyRequests = declareError('too_many_requests', 429)
/** What was to be unlocked is no network address. */
export const networkInvalid = declareError('network_invalid', 400)
