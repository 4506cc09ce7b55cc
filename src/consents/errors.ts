/** Errors of consents. */
import { declareError } from '../errors.ts'

/**
 * The interaction is not at its consent page: no account is signed in yet, or it was answered
 * already.
 */
export const consentNotAsked = declareError('consent_not_asked', 403)
