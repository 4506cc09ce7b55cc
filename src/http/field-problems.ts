/** A form that comes back: what was refused, told beside the field it belongs to. */
import type { Context } from 'koa'
import { AppError } from '../errors.ts'
import { ProblemsError } from '../problems.ts'
import type { FieldProblems } from './page-parts.ts'

/** Refusals that are errors by themselves, and the field that each is told beside: the hasher's, who can be busy too, and of a proof. */
const fieldOf: Readonly<Record<string, string>> = {
  password_too_long: 'password',
  password_not_text: 'password',
  hashing_busy: 'password',
  proof_refused: 'currentPassword',
}

/**
 * Does `work`. What was wrong with a field is shown by `again`, with the status of the failure; gives whether there was none. Everything
 * else is thrown on.
 */
export async function withFieldProblems(
  ctx: Context,
  work: () => Promise<unknown>,
  again: (problems: FieldProblems) => void,
): Promise<boolean> {
  try {
    await work()
    return true
  } catch (error) {
    const problems = problemsByField(error)
    if (!problems) throw error
    const { status, retryAfterSeconds } = error as AppError
    again(problems)
    if (retryAfterSeconds !== undefined) ctx.set('Retry-After', String(Math.ceil(retryAfterSeconds)))
    ctx.status = status
    return false
  }
}

/** Every problem, with its field: the first, and what else there is. */
function problemsByField(error: unknown): FieldProblems | undefined {
  if (error instanceof ProblemsError) {
    const fields = [...new Set(error.problems.map(({ path }) => path))]
    return Object.fromEntries(
      fields.map((field) => {
        const told = error.problems.filter(({ path }) => path === field)
        const [first = { code: error.code }, ...also] = told.map(({ code, params }) => ({
          code,
          ...(params && { params }),
        }))
        return [field, { ...first, ...(also.length > 0 && { also }) }]
      }),
    )
  }
  const field = error instanceof AppError ? fieldOf[error.code] : undefined
  if (field === undefined) return undefined
  const { code, params } = error as AppError
  return { [field]: { code, params } }
}
