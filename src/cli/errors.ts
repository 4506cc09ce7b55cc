/** Failures of the command line itself. */
import type { ConfigProblem } from '../config/problems.ts'
import { declareError } from '../errors.ts'

export const fileUnreadable = declareError('file_unreadable', 400)
export const fileUnwritable = declareError('file_unwritable', 400)
export const outputUnwritable = declareError('output_unwritable', 400)
export const fileMalformed = declareError('file_malformed', 400)
export const passwordSourceMissing = declareError('password_source_missing', 400)
export const secretSourceMissing = declareError('secret_source_missing', 400)
export const inputEmpty = declareError('input_empty', 400)
export const inputsDiffer = declareError('inputs_differ', 400)
export const revocationTargets = declareError('revocation_targets', 400)
export const durationMalformed = declareError('duration_malformed', 400)
export const cancelled = declareError('cancelled', 400)

/** The configuration has problems; nothing was opened. */
export class ConfigurationRefused extends Error {
  readonly problems: readonly ConfigProblem[]

  constructor(problems: readonly ConfigProblem[]) {
    super('configuration refused')
    this.name = 'ConfigurationRefused'
    this.problems = problems
  }
}
