/**
 * A mutant: one line of the program is changed so that one defence is missing; and how it is
 * applied.
 */
import { readFileSync } from 'node:fs'
import path from 'node:path'

export type Mutant = {
  /** The missing defence, in a few words. */
  disables: string
  /** The changed file, by its path from the root of the project. */
  file: string
  /** Occurs exactly once in the file, or exactly `times`. */
  search: string
  times?: number
  replacement: string
  /** The test that must fail, by its path from the root of the project: a file or a folder. */
  test: string
}

/**
 * The file's text with the mutant. Throws when `search` does not occur as often as it should: the
 * list is outdated.
 */
export function mutate({ file, search, replacement, times = 1 }: Mutant, root: string): string {
  const text = readFileSync(path.join(root, file), 'utf8')
  const parts = text.split(search)
  if (parts.length !== times + 1) throw new Error(`${file} contains ${parts.length - 1} times, not ${times}: ${search}`)
  if (search === replacement) throw new Error(`${file}: the replacement changes nothing: ${search}`)
  return parts.join(replacement)
}
