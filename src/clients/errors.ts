/** Errors of clients. */
import { declareError } from '../errors.ts'
import { declareProblems } from '../problems.ts'

export const clientInvalid = declareProblems('client_invalid', 400)
export const clientNotFound = declareError('client_not_found', 404)
export const clientIdTaken = declareError('client_id_taken', 409)
export const clientHasNoSecret = declareError('client_has_no_secret', 409)
