/** Errors while a user sets a new password. */
import { declareProblems } from '../problems.ts'

export const newPasswordInvalid = declareProblems('new_password_invalid', 400)
