/** Failures of a seed. */
import { declareProblems } from '../problems.ts'

/** Nothing was written. */
export const seedInvalid = declareProblems('seed_invalid', 400)
