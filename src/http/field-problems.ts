/** Shows a form again with each problem beside its field. */
import type { Context } from 'koa'
import { AppError } from '../errors.ts'
import { ProblemsError } from '../problems.ts'
import type { FieldProblems } from './page-parts.ts'

/** Errors with a single cause that are shown beside a field: those of the hasher and of a proof. */
const fieldOf: Readonly<Record<string, string>> = {
  password_too_long: 'password',
  password_not_text: 'password',
  hashing_busy: 'password',
  proof_refused: 'currentPassword',
}

/**
 * Runs `work`. Problems of fields are shown by `showForm`, with the status of the failure; other
 * errors are thrown. Returns true without problems.
 */
export async function withFieldProblems(
  ctx: Context,
  work: () => Promise<unknown>,
  showForm: (problems: FieldProblems) => void,
): Promise<boolean> {
  try {
    await work()
    return true
  } catch (error) {
    const problems = problemsByField(error)
    if (!problems) throw error
    const { status, retryAfterSeconds } = error as AppError
    showForm(problems)
    if (retryAfterSeconds !== undefined) ctx.set('Retry-After', String(Math.ceil(retryAfterSeconds)))
    ctx.status = status
    return false
  }
}

/** The problems by field: the first, and the others in `also`. */
function problemsByField(error: unknown): FieldProblems | undefined {
  if (error instanceof ProblemsError) {
    const fields = [...new Set(error.problems.map(({ path }) => path))]
    return Object.fromEntries(
      fields.map((field) => {
        const problemsOfField = error.problems.filter(({ path }) => path === field)
        const [first = { code: error.code }, ...also] = problemsOfField.map(({ code, params }) => ({
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
