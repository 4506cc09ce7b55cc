/** How a change of the signing keys can fail. */
import { declareError } from '../errors.ts'

export const signingKeyNotFound = declareError('signing_key_not_found', 404)
export const signingKeyRetired = declareError('signing_key_retired', 409)
export const signingKeyWithoutSuccessor = declareError('signing_key_without_successor', 409)
export const signingKeySuccessorTooYoung = declareError('signing_key_successor_too_young', 409)
export const signingAlgorithmNotOffered = declareError('signing_algorithm_not_offered', 400)
export const masterKeyUnknownToServers = declareError('master_key_unknown_to_servers', 409)
export const signingAlgorithmInUse = declareError('signing_algorithm_in_use', 409)
