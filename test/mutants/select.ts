/**
 * The mutants of a run: all, those that match words, those of changed files, or one shard of
 * several.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import type { Mutant } from './mutant.ts'

export type Selection = {
  /**
   * One of them occurs in the description or in the file name; without words, all mutants are
   * taken.
   */
  words: readonly string[]
  /** Changed files, by their path from the root of the project; undefined: all files. */
  changed?: ReadonlySet<string> | undefined
  shard?: Shard | undefined
}

export type Shard = Readonly<{ index: number; count: number }>

/** Reads `1/4`. Throws on another form. */
export function readShard(text: string): Shard {
  const [, index, count] = /^([1-9]\d*)\/([1-9]\d*)$/.exec(text) ?? []
  if (!index || Number(index) > Number(count)) throw new Error(`--shard takes a part and a number, like 1/4: ${text}`)
  return { index: Number(index), count: Number(count) }
}

export function selectMutants(mutants: readonly Mutant[], { words, changed, shard }: Selection): Mutant[] {
  const isNamed = ({ disables, file }: Mutant) =>
    words.length === 0 || words.some((word) => `${disables} ${file}`.includes(word))
  const isChanged = ({ file, test }: Mutant) =>
    !changed || changed.has(file) || [...changed].some((one) => one === test || one.startsWith(`${test}/`))
  return mutants
    .filter((mutant) => isNamed(mutant) && isChanged(mutant))
    .filter((_, index) => !shard || index % shard.count === shard.index - 1)
}

const git = (root: string, ...args: string[]): string | undefined => {
  try {
    return execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    // There is no Git or no such name: the caller then takes all mutants.
    return undefined
  }
}

/**
 * The same tests in an order that the commit decides, so that runs that end early take different
 * ones.
 */
export function shuffleByCommit<T>(tests: readonly T[], nameOf: (test: T) => string, root: string): T[] {
  const seed = git(root, 'rev-parse', 'HEAD') ?? ''
  const rank = (test: T) =>
    createHash('sha256')
      .update(`${seed} ${nameOf(test)}`)
      .digest('hex')
  return tests.toSorted((one, other) => (rank(one) < rank(other) ? -1 : 1))
}

export type Comparison = { base: string; files: ReadonlySet<string> }

/** The changes since the last release tag. Undefined when there is no tag. */
export function findChanges(root: string): Comparison | undefined {
  const base = git(root, 'describe', '--tags', '--abbrev=0', '--match', 'v*')
  const names = base && git(root, 'diff', '--name-only', base)
  return names === undefined || !base ? undefined : { base, files: new Set(names.split('\n').filter(Boolean)) }
}
