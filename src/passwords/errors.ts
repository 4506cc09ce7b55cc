/** Errors of passwords before a hash is computed, and when no hash can be computed. */
import { declareError } from '../errors.ts'

/** `params.maximum`: code points. */
export const passwordTooLong = declareError('password_too_long', 400)
/**
 * Lone surrogates or U+0000: keyboards do not produce them, and programs treat them differently.
 */
export const passwordNotText = declareError('password_not_text', 400)
/** All slots are in use and the queue is full. */
export const hashingBusy = declareError('hashing_busy', 503)
