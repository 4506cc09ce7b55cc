/**
 * All problems of an input at once: Problem, the error that contains them, and the nearest known
 * word for a wrong one.
 */
import { closest } from 'fastest-levenshtein'
import { AppError, declareError } from './errors.ts'

/**
 * One problem of an input: its place (`redirect_uris[1]`), its code (the message is
 * `problems.<code>`), and the message's values.
 */
export type Problem = Readonly<{
  path: string
  code: string
  params?: Readonly<Record<string, string | number>>
  /** The line of the file, from 1. */
  line?: number
}>

/** An AppError that lists every problem of the input; never empty. */
export class ProblemsError extends AppError {
  readonly problems: readonly Problem[]

  constructor(code: string, status: number, problems: readonly Problem[]) {
    super(code, status, { params: { count: problems.length } })
    this.name = 'ProblemsError'
    this.problems = problems
  }
}

/** Registers a code, like `declareError`, for a failure that lists problems. */
export function declareProblems(code: string, status: number): (problems: readonly Problem[]) => ProblemsError {
  declareError(code, status)
  return (problems) => new ProblemsError(code, status, problems)
}

/**
 * The problem of an unknown key, with the nearest known one. `path` is its place, '' for the top.
 */
export function unknownKey(path: string, key: string, known: readonly string[]): Problem {
  return { path: joinPath(path, key), code: 'unknown_key', params: { key, nearest: nearest(key, known) } }
}

/** The word of `known` with the fewest edits from `word`. */
export const nearest = (word: string, known: readonly string[]): string => closest(word, known)

/** `clients[0]` and `scope` become `clients[0].scope`. */
const joinPath = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`)

/** The same problems, one level deeper. */
export const problemsUnder = (path: string, problems: readonly Problem[]): Problem[] =>
  problems.map((problem) => ({ ...problem, path: problem.path === '' ? path : joinPath(path, problem.path) }))

/** Whether a value of a document is a mapping of keys to values. */
export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A given value must be one of `allowed`; when that is empty, the value must be absent. */
export function checkOneOf(path: string, value: unknown, allowed: readonly string[]): Problem[] {
  if (value === undefined || allowed.some((one) => one === value)) return []
  if (allowed.length === 0) return [{ path, code: 'must_be_absent' }]
  return [{ path, code: 'not_one_of', params: { allowed: allowed.join(', ') } }]
}
