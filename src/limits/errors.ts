/** What whoever asks too often is told. */
import { declareError } from '../errors.ts'

export const tooManyRequests = declareError('too_many_requests', 429)
