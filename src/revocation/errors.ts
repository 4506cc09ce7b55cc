/** Errors of revocation. */
import { declareError } from '../errors.ts'

export const sessionNotFound = declareError('session_not_found', 404)
export const grantNotFound = declareError('grant_not_found', 404)
export const momentRefused = declareError('moment_refused', 400)
