/** Errors of emailed links. */
import { declareError } from '../errors.ts'

/**
 * One error for unknown, spent, replaced and expired links, and for an email that is no longer the
 * account's.
 */
export const linkExpired = declareError('link_expired', 400)
