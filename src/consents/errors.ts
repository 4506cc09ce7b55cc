/** What can go wrong while consenting. */
import { declareError } from '../errors.ts'

/** The interaction is not at its consent page: the person is not known yet, or the answer was given already. */
export const consentNotAsked = declareError('consent_not_asked', 403)
