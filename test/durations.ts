/** How long test files took: shown after each run, and kept so that the next one begins with the slowest. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'

export type FileTime = { file: string; seconds: number }

const shownFiles = 20
/** Faster files are not worth a line. */
const leastSeconds = 2

/** `npm test -- --save-durations` writes it. Without it files begin in the order of their size. */
const durationsFile = path.resolve(import.meta.dirname, 'durations.json')

const slowestFirst = (times: readonly FileTime[]) => times.toSorted((one, other) => other.seconds - one.seconds)

export function printSlowest(times: readonly FileTime[]): void {
  if (times.length < 2) return
  console.log('\nThe slowest files:')
  for (const { file, seconds } of slowestFirst(times).slice(0, shownFiles))
    console.log(`${seconds.toFixed(1).padStart(7)} s  ${file}`)
}

/** Seconds by file. */
export const readDurations = (): Record<string, number> =>
  existsSync(durationsFile) ? (JSON.parse(readFileSync(durationsFile, 'utf8')) as Record<string, number>) : {}

/** Replaces the durations of the files that have run; those of other lanes stay, while `exists` says so. */
export function saveDurations(times: readonly FileTime[], exists: (file: string) => boolean): void {
  const all = { ...readDurations(), ...Object.fromEntries(times.map(({ file, seconds }) => [file, seconds])) }
  const kept = Object.entries(all)
    .filter(([file, seconds]) => seconds >= leastSeconds && exists(file))
    .map(([file, seconds]): [string, number] => [file, Math.round(seconds)])
    .sort(([one], [other]) => (one < other ? -1 : 1))
  writeFileSync(durationsFile, `${JSON.stringify(Object.fromEntries(kept), undefined, 2)}\n`)
}
