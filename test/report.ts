/** Jest's report of a run: what it counts, and which tests were skipped and why. */
import path from 'node:path'
import type { FileTime } from './durations.ts'
import { programNames, skippedBecauseOf } from './support/programs.ts'

type Assertion = { status: string; ancestorTitles: string[]; title: string }
export type Report = {
  numPassedTests: number
  numFailedTests: number
  numRuntimeErrorTestSuites: number
  /** Times in milliseconds since the epoch. */
  testResults: { name: string; startTime: number; endTime: number; assertionResults: Assertion[] }[]
}

const root = path.resolve(import.meta.dirname, '..')

export const listFileTimes = (report: Report): FileTime[] =>
  report.testResults.map(({ name, startTime, endTime }) => ({
    file: path.relative(root, name),
    seconds: (endTime - startTime) / 1000,
  }))

/** The groups and tests that were skipped, each with how many tests that were. */
export function listSkipped(report: Report): Map<string, number> {
  const skipped = new Map<string, number>()
  for (const { name, assertionResults } of report.testResults) {
    for (const { status, ancestorTitles, title } of assertionResults) {
      if (status !== 'pending' && status !== 'todo') continue
      const group = [...ancestorTitles, title].find((part) => part.startsWith('[needs ')) ?? title
      const key = `${path.relative(root, name)} › ${group}`
      skipped.set(key, (skipped.get(key) ?? 0) + 1)
    }
  }
  return skipped
}

export function printSkipped(skipped: Map<string, number>): void {
  if (skipped.size === 0) return
  for (const program of programNames) {
    const names = [...skipped.keys()].filter((name) => name.includes(skippedBecauseOf(program)))
    if (names.length === 0) continue
    console.log(`\nSkipped, because ${program} is not installed:`)
    for (const name of names)
      console.log(`  ${name.replace(`${skippedBecauseOf(program)} `, '')} (${skipped.get(name)})`)
  }
  const others = [...skipped.keys()].filter((name) => !name.includes('[needs '))
  if (others.length === 0) return
  console.log('\nSkipped:')
  for (const name of others) console.log(`  ${name} (${skipped.get(name)})`)
}
