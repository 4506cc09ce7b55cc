/** What `npm test` runs: Jest with this machine's workers, then what was skipped for want of a program, then the count. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism, totalmem } from 'node:os'
import path from 'node:path'
import { createTestFolder } from './support/folders.ts'
import { findProgram, programNames, skippedBecauseOf } from './support/programs.ts'

type Assertion = { status: string; ancestorTitles: string[]; title: string }
type Report = {
  numPassedTests: number
  numFailedTests: number
  numRuntimeErrorTestSuites: number
  testResults: { name: string; assertionResults: Assertion[] }[]
}

const root = path.resolve(import.meta.dirname, '..')
const isEverythingRequired = process.env.CI === 'true'
// A worker grows to several hundred megabytes, and its tests start servers and browsers of their own.
const workers = Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / 1.5e9)))

/** Runs Jest with `args` (paths, or its own options); gives its exit status and its report, if it came to one. */
async function runJest(args: readonly string[]): Promise<{ status: number; report: Report | undefined }> {
  const outputFile = path.join(createTestFolder(), 'report.json')
  const jest = createRequire(import.meta.url).resolve('jest/bin/jest')
  const node = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning']
  const isCounted = args.some((arg) => /^(-i|-w|--runInBand|--maxWorkers)/.test(arg))
  const own = [...(isCounted ? [] : [`--maxWorkers=${workers}`]), '--json', `--outputFile=${outputFile}`]
  const child = spawn(process.execPath, [...node, jest, ...own, ...args], {
    cwd: root,
    // The processes that tests start run the same code again and again: compiled once, they start in half the time.
    env: { ...process.env, NODE_COMPILE_CACHE: createTestFolder() },
    stdio: ['inherit', 'ignore', 'inherit'],
  })
  // Ctrl-C reaches Jest too; the count comes when it is done.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  const status = await new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? 1)))
  try {
    return { status, report: JSON.parse(readFileSync(outputFile, 'utf8')) as Report }
  } catch {
    return { status, report: undefined }
  }
}

/** The groups and tests that were skipped, each with how many tests that were. */
function listSkipped(report: Report): Map<string, number> {
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

function printSkipped(skipped: Map<string, number>): void {
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

const missing = programNames.filter((program) => !findProgram(program))
if (missing.length > 0)
  console.log(
    `Not installed: ${missing.join(', ')}. What needs them is ${isEverythingRequired ? 'failed' : 'skipped'}.`,
  )

const { status, report } = await runJest(process.argv.slice(2))
const skipped = report ? listSkipped(report) : new Map<string, number>()
printSkipped(skipped)

const skips = [...skipped.values()].reduce((sum, count) => sum + count, 0)
const passed = report?.numPassedTests ?? 0
const counted =
  (report?.numFailedTests ?? 0) + (report?.numRuntimeErrorTestSuites ?? 0) + (isEverythingRequired ? skips : 0)
// Jest can fail without a failed test: nothing to run, a set-up that throws, a worker that dies, an end before the report.
const failed = counted === 0 && (status !== 0 || !report) ? 1 : counted
console.log(`\n${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
