/** Errors of resource servers. */
import { declareError } from '../errors.ts'
import { declareProblems } from '../problems.ts'

export const resourceServerInvalid = declareProblems('resource_server_invalid', 400)
export const resourceServerNotFound = declareError('resource_server_not_found', 404)
