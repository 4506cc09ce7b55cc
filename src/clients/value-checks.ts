/** Checks of single values in a client's metadata: lists, texts and numbers. */
import type { Problem } from '../problems.ts'
import { checkOneOf } from '../problems.ts'

/** In seconds. */
export const year = 365 * 86_400

const isText = (entry: unknown): boolean => typeof entry === 'string' && /^[^\p{Cc}\p{Cs}]{1,2000}$/u.test(entry)
// For entries with their own check.
export const isAnything = (): boolean => true

/** Checks a list of different entries, at most 50. By default entries are text. */
export function checkList(path: string, value: unknown, isEntry: (entry: unknown) => boolean = isText): Problem[] {
  if (!Array.isArray(value) || value.length > 50) return [{ path, code: 'not_list', params: { max: 50 } }]
  return value.flatMap((entry, index): Problem[] => {
    const at = `${path}[${index}]`
    if (!isEntry(entry)) return [{ path: at, code: 'not_string' }]
    return value.indexOf(entry) === index ? [] : [{ path: at, code: 'repeated' }]
  })
}

export function checkEach(path: string, value: unknown, allowed: readonly string[]): Problem[] {
  if (value === undefined) return []
  const list = checkList(path, value)
  if (list.length > 0) return list
  return (value as string[]).flatMap((entry, index) => checkOneOf(`${path}[${index}]`, entry, allowed))
}

export const isEmptyList = (value: unknown): boolean => Array.isArray(value) && value.length === 0

export function checkWithin(path: string, value: unknown, min: number, max: number): Problem[] {
  const isWithin = Number.isInteger(value) && (value as number) >= min && (value as number) <= max
  return value === undefined || isWithin ? [] : [{ path, code: 'not_within', params: { min, max } }]
}
