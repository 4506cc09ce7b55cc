/** Every problem of an input at once: Problem, the error that carries them, and the nearest right word for a wrong one. */
import { closest } from 'fastest-levenshtein'
import { AppError, declareError } from './errors.ts'

/** One thing wrong with an input: where (`redirect_uris[1]`), what (its sentence is `problems.<code>`), and the sentence's values. */
export type Problem = Readonly<{
  path: string
  code: string
  params?: Readonly<Record<string, string | number>>
  /** Of the file that was read, from 1. */
  line?: number
}>

/** An AppError that lists everything wrong with the input; never empty. */
export class ProblemsError extends AppError {
  readonly problems: readonly Problem[]

  constructor(code: string, status: number, problems: readonly Problem[]) {
    super(code, status, { params: { count: problems.length } })
    this.name = 'ProblemsError'
    this.problems = problems
  }
}

/** Puts a code into the register, like `declareError`, for a failure that lists problems. */
export function declareProblems(code: string, status: number): (problems: readonly Problem[]) => ProblemsError {
  declareError(code, status)
  return (problems) => new ProblemsError(code, status, problems)
}

/** The problem of a key that nobody reads, naming the nearest one that somebody does. `path` is the place it stands in, '' for the top. */
export function unknownKey(path: string, key: string, known: readonly string[]): Problem {
  return { path: joinPath(path, key), code: 'unknown_key', params: { key, nearest: nearest(key, known) } }
}

/** The one of `known` that takes the fewest edits to reach from `word`. */
export const nearest = (word: string, known: readonly string[]): string => closest(word, known)

/** `clients[0]` and `scope` make `clients[0].scope`. */
const joinPath = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`)

/** The same problems, one place deeper. */
export const problemsUnder = (path: string, problems: readonly Problem[]): Problem[] =>
  problems.map((problem) => ({ ...problem, path: problem.path === '' ? path : joinPath(path, problem.path) }))

/** Whether a value read from a document is a mapping of keys to values. */
export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A value that is given is one of `allowed`; where nothing is, it must be left out. */
export function checkOneOf(path: string, value: unknown, allowed: readonly string[]): Problem[] {
  if (value === undefined || allowed.some((one) => one === value)) return []
  if (allowed.length === 0) return [{ path, code: 'must_be_absent' }]
  return [{ path, code: 'not_one_of', params: { allowed: allowed.join(', ') } }]
}
