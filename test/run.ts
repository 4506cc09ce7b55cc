/**
 * `npm test [-- PATH…] [--lane NAME] [--save-durations]`: runs Jest with this machine's workers.
 * Reports skipped tests, the slowest files, the lane's time and the count.
 * Paths run whatever their lane. Without paths, the default lane runs.
 */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism, totalmem } from 'node:os'
import path from 'node:path'
import { printSlowest, saveDurations } from './durations.ts'
import type { Lane } from './lanes.ts'
import { laneOf, lanes, listTestFiles } from './lanes.ts'
import type { Report } from './report.ts'
import { listFileTimes, listSkipped, printSkipped } from './report.ts'
import { createTestFolder } from './support/folders.ts'
import { findProgram, programNames } from './support/programs.ts'

const root = path.resolve(import.meta.dirname, '..')
const isEverythingRequired = process.env.CI === 'true'
// A worker grows to several hundred megabytes, and its tests start servers and browsers.
const workers = Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / 1.5e9)))

type Request = { args: string[]; lane: Lane | undefined; isSaved: boolean }

/** Removes this script's options from the command line. The rest are Jest's. */
function readRequest(given: readonly string[]): Request {
  const args = [...given]
  const at = args.indexOf('--lane')
  const [, name] = at < 0 ? [] : args.splice(at, 2)
  const lane = lanes.find((one) => one === name)
  if (at >= 0 && !lane) throw new Error(`--lane takes one of ${lanes.join(', ')}`)
  const isSaved = args.includes('--save-durations')
  const rest = args.filter((arg) => arg !== '--save-durations')
  const hasPaths = rest.some((arg) => arg.startsWith('test/') || (!arg.startsWith('-') && existsSync(arg)))
  return { args: rest, lane: lane ?? (hasPaths ? undefined : 'default'), isSaved }
}

/** Runs Jest with `args` (paths or its options). Returns its exit status and any report. */
async function runJest(args: readonly string[]): Promise<{ status: number; report: Report | undefined }> {
  const outputFile = path.join(createTestFolder(), 'report.json')
  const jest = createRequire(import.meta.url).resolve('jest/bin/jest')
  const isCounted = args.some((arg) => /^(-i|-w|--runInBand|--maxWorkers)/.test(arg))
  // The structure tests parse modules with node:vm.
  const node = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning']
  const own = [...(isCounted ? [] : [`--maxWorkers=${workers}`]), '--json', `--outputFile=${outputFile}`]
  const child = spawn(process.execPath, [...node, jest, ...own, ...args], {
    cwd: root,
    // Tests start many processes with the same code. With a compile cache they start in half the
    // time.
    env: { ...process.env, NODE_COMPILE_CACHE: createTestFolder() },
    stdio: ['inherit', 'ignore', 'inherit'],
  })
  // Jest receives Ctrl-C too. The count is printed when it ends.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  const status = await new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? 1)))
  try {
    return { status, report: JSON.parse(readFileSync(outputFile, 'utf8')) as Report }
  } catch {
    // Jest ended before its report: the caller fails by the status.
    return { status, report: undefined }
  }
}

const missing = programNames.filter((program) => !findProgram(program))
if (missing.length > 0)
  console.log(
    `Not installed: ${missing.join(', ')}. What needs them is ${isEverythingRequired ? 'failed' : 'skipped'}.`,
  )

const { args, lane, isSaved } = readRequest(process.argv.slice(2))
const files = lane ? listTestFiles(root).filter((file) => laneOf(file) === lane) : []
const began = performance.now()
const { status, report } = await runJest(lane ? [...args, '--runTestsByPath', ...files] : args)
const seconds = Math.round((performance.now() - began) / 1000)

const skipped = report ? listSkipped(report) : new Map<string, number>()
printSkipped(skipped)
const times = report ? listFileTimes(report) : []
printSlowest(times)
if (isSaved) saveDurations(times, (file) => existsSync(path.join(root, file)))
if (lane) console.log(`\nThe lane ${lane} took ${seconds} s.`)

const skips = [...skipped.values()].reduce((sum, count) => sum + count, 0)
const passed = report?.numPassedTests ?? 0
const counted =
  (report?.numFailedTests ?? 0) + (report?.numRuntimeErrorTestSuites ?? 0) + (isEverythingRequired ? skips : 0)
// Jest can fail without a failed test: no tests, an error in the set-up, a crashed worker, or no
// report.
const failed = counted === 0 && (status !== 0 || !report) ? 1 : counted
console.log(`\n${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
