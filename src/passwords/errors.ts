/** How a password can be refused before any hash is computed, and when no hash can be. */
import { declareError } from '../errors.ts'

/** `params.maximum`: code points. */
export const passwordTooLong = declareError('password_too_long', 400)
/** Lone surrogates or U+0000: no keyboard makes them, and not every program passes them on alike. */
export const passwordNotText = declareError('password_not_text', 400)
/** Every slot is taken and the queue is full. */
export const hashingBusy = declareError('hashing_busy', 503)
