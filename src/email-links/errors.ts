/** Errors of emailed links. */
import { declareError } from '../errors.ts'

/** One error for unknown, spent, replaced and expired links, and for a former email. */
export const linkExpired = declareError('link_expired', 400)
