/**
 * Finds misspelled variables: a setting that is silently ignored is worse than a start that fails.
 */
import { distance } from 'fastest-levenshtein'
import { nearest } from '../problems.ts'
import { variables } from './variables.ts'

const names: readonly string[] = variables.map((variable) => variable.name)

// Other programs have variables too, so short names must match almost exactly: HOME is two edits
// from HOST.
const tolerance = (name: string): number => (name.length <= 4 ? 0 : name.length <= 7 ? 1 : 2)

const swapsNeighbours = (one: string, other: string): boolean =>
  distance(one, other) === 2 && [...one].sort().join('') === [...other].sort().join('')

/**
 * The variable that `name` was probably meant to be; undefined for a known or an unrelated name.
 */
export function meantVariable(name: string): string | undefined {
  if (names.includes(name)) return undefined
  const upper = name.toUpperCase()
  const best = nearest(upper, names)
  const isNear = distance(upper, best) <= tolerance(best) || (best.length > 4 && swapsNeighbours(upper, best))
  return isNear ? best : undefined
}
