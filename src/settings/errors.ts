/** Failures of settings. */
import { declareError } from '../errors.ts'
import { declareProblems } from '../problems.ts'

/** `params.nearest`: the setting that was probably meant. */
export const settingUnknown = declareError('setting_unknown', 404)
export const settingInvalid = declareProblems('setting_invalid', 400)
