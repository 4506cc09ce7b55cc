/**
 * Tries several mutants in one Jest process: the packages are loaded once, and the project's
 * modules again for each mutant.
 */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Mutant } from './mutant.ts'
import { mutate } from './mutant.ts'

/** Names the file with the task of this process. */
export const taskVariable = 'LATCHKEY_MUTANTS'

/** The mutants by their number in the list, and the file to which a line is added for each. */
export type Task = { mutants: readonly { number: number; mutant: Mutant }[]; results: string }

/** `undefined` is the run without a mutant. */
export type Line = {
  number?: number | undefined
  verdict: 'red' | 'green' | 'broken'
  failed?: string
  output?: string
}

/** The part of Jest's result of a test file that is read here. */
export type FileResult = {
  testExecError?: { message: string; stack?: string } | null
  failureMessage?: string | null
  testResults: readonly { status: string; fullName: string }[]
}

/** Runs the file. A mutant loads the project's modules again and stops at the first failure. */
export type RunFile = (how: { isMutant: boolean }) => Promise<FileResult>

const root = path.resolve(import.meta.dirname, '../..')
/** Modules are never freed. A larger process ends early, and a new one continues. */
const enoughBytes = 1.2e9

export function readTask(): Task | undefined {
  const file = process.env[taskVariable]
  return file === undefined ? undefined : (JSON.parse(readFileSync(file, 'utf8')) as Task)
}

export const readLines = (results: string): Line[] =>
  existsSync(results)
    ? readFileSync(results, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Line)
    : []

function judge({ testExecError, failureMessage, testResults }: FileResult): Omit<Line, 'number'> {
  const failed = testResults.find(({ status }) => status === 'failed')?.fullName
  if (testExecError) return { verdict: 'broken', output: testExecError.stack ?? testExecError.message }
  if (failed !== undefined) return { verdict: 'red', failed, output: failureMessage ?? '' }
  return { verdict: 'green' }
}

/** Returns the result of the run without a mutant, which has to be green. */
export async function runMutants({ mutants, results }: Task, run: RunFile): Promise<FileResult> {
  const add = (line: Line) => appendFileSync(results, `${JSON.stringify(line)}\n`)
  const base = await run({ isMutant: false })
  const verdict = judge(base)
  add({ number: undefined, ...verdict })
  if (verdict.verdict !== 'green') return base
  for (const { number, mutant } of mutants) {
    if (process.memoryUsage.rss() > enoughBytes) break
    const place = path.join(root, mutant.file)
    const original = readFileSync(place)
    writeFileSync(place, mutate(mutant, root))
    try {
      add({ number, ...judge(await run({ isMutant: true })) })
    } finally {
      writeFileSync(place, original)
    }
  }
  return base
}
