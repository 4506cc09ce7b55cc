/** How a password can be refused, before any hash is computed. */
import { declareError } from '../errors.ts'

/** `params.minimum`: code points. */
export const passwordTooShort = declareError('password_too_short', 400)
/** `params.maximum`: code points. */
export const passwordTooLong = declareError('password_too_long', 400)
/** Lone surrogates or U+0000: no keyboard makes them, and not every program passes them on alike. */
export const passwordNotText = declareError('password_not_text', 400)
/** Every slot is taken and the queue is full. */
export const hashingBusy = declareError('hashing_busy', 503)
