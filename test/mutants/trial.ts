/** A copy of the project in which the mutants are tried one after another. */
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { clusterVariable } from '../support/global-setup.ts'
import { freshVariable } from '../support/populate.ts'
import type { Task } from './in-file.ts'
import { readLines, taskVariable } from './in-file.ts'
import type { Mutant } from './mutant.ts'
import { mutate } from './mutant.ts'

const root = path.resolve(import.meta.dirname, '../..')
const limitMs = 180_000
/** Shorter than in other runs, because a mutant may hang in many tests. */
const testLimitMs = 60_000
const checkedEveryMs = 1000
const left = ['node_modules', '.git', '.data', 'coverage', 'screenshots']
/** The sources of the template database: their mutants need a cluster of their own. */
const schemaFolders = ['migrations/', 'src/database/', 'src/jobs/']

export type Outcome = {
  /** `broken`: the tests could not run, which proves nothing. */
  verdict: 'red' | 'green' | 'broken' | 'too slow'
  /** The first test that failed. */
  failed?: string | undefined
  output?: string | undefined
}

/** Needs a process of its own: a new cluster, or a file that is not loaded as a module. */
const needsOwnProcess = ({ file }: Mutant): boolean =>
  !file.endsWith('.ts') || schemaFolders.some((folder) => file.startsWith(folder))

type Process = { output: string; status: number | null; isTooSlow: boolean }

/** Readable by all users, for tests that start Postgres as another user. Shares the packages. */
export function createTrial() {
  const copy = mkdtempSync(path.join(tmpdir(), 'latchkey-mutants-'))
  process.on('exit', () => rmSync(copy, { recursive: true, force: true }))
  cpSync(root, copy, { recursive: true, filter: (source) => !left.includes(path.relative(root, source)) })
  symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'))

  /** Ends the process when `progress` stays the same for the time limit. */
  function runJest(file: string, env: NodeJS.ProcessEnv, progress: () => number): Promise<Process> {
    const jest = path.join(copy, 'node_modules/jest/bin/jest.js')
    const child = spawn(
      process.execPath,
      ['--experimental-vm-modules', jest, '--runInBand', '--ci', '--bail', `--testTimeout=${testLimitMs}`, file],
      {
        cwd: copy,
        env: { ...env, [freshVariable]: '1' },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
    const chunks: Buffer[] = []
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => chunks.push(chunk))
    let last = { progress: progress(), at: performance.now() }
    let isTooSlow = false
    const check = setInterval(() => {
      const now = progress()
      if (now !== last.progress) last = { progress: now, at: performance.now() }
      if (performance.now() - last.at < limitMs) return
      isTooSlow = true
      child.kill()
    }, checkedEveryMs)
    return new Promise((resolve) => {
      child.on('close', (status) => {
        clearInterval(check)
        resolve({ output: Buffer.concat(chunks).toString(), status, isTooSlow })
      })
    })
  }

  async function withMutant<T>(mutant: Mutant, work: () => Promise<T>): Promise<T> {
    const place = path.join(copy, mutant.file)
    const original = readFileSync(place)
    writeFileSync(place, mutate(mutant, copy))
    try {
      return await work()
    } finally {
      writeFileSync(place, original)
    }
  }

  async function runInOwnProcess(file: string, mutant: Mutant): Promise<Outcome> {
    const { [clusterVariable]: _cluster, ...env } = process.env
    const { output, status, isTooSlow } = await withMutant(mutant, () => runJest(file, env, () => 0))
    const failed = /^ +● (.+)$/m.exec(output)?.[1]
    const isBroken = failed === undefined || failed === 'Test suite failed to run'
    return { verdict: isTooSlow ? 'too slow' : status === 0 ? 'green' : isBroken ? 'broken' : 'red', failed, output }
  }

  /** One process. Returns the verdict about each mutant that it tried, and about the file. */
  async function runTogether(file: string, mutants: readonly Mutant[]) {
    const folder = mkdtempSync(path.join(tmpdir(), 'latchkey-task-'))
    const results = path.join(folder, 'results')
    const taskFile = path.join(folder, 'task.json')
    const task: Task = { mutants: mutants.map((mutant, number) => ({ number, mutant })), results }
    writeFileSync(taskFile, JSON.stringify(task))
    const env = { ...process.env, [taskVariable]: taskFile }
    const { output, isTooSlow, status } = await runJest(file, env, () => readLines(results).length)
    const lines = readLines(results)
    rmSync(folder, { recursive: true })
    const base: Outcome = lines.find(({ number }) => number === undefined) ?? { verdict: 'broken', output }
    const outcomes = new Map<Mutant, Outcome>()
    for (const line of lines) if (line.number !== undefined) outcomes.set(mutants[line.number]!, line)
    // The process ended in the middle of a mutant.
    const next = mutants[outcomes.size]
    const hasStopped = base.verdict === 'green' && next !== undefined && (isTooSlow || status !== 0)
    if (hasStopped) {
      // Its file is still changed.
      cpSync(path.join(root, next.file), path.join(copy, next.file))
      outcomes.set(next, { verdict: isTooSlow ? 'too slow' : 'broken', output })
    }
    return { base, outcomes }
  }

  /**
   * Calls `report` for every mutant. Returns what is wrong with the file when it is not green
   * without one. Runs it again before it says so, and before it says that a mutant survives.
   */
  async function runFile(file: string, mutants: readonly Mutant[], report: (mutant: Mutant, outcome: Outcome) => void) {
    const alone = mutants.filter(needsOwnProcess)
    let rest = mutants.filter((mutant) => !needsOwnProcess(mutant))
    const survivors = new Set<Mutant>()
    const reported = new Set<Mutant>()
    let problem: Outcome | undefined
    do {
      const { base, outcomes } = await runTogether(file, rest)
      if (base.verdict !== 'green') {
        if (problem) return base
        problem = base
        continue
      }
      problem = undefined
      for (const [mutant, outcome] of outcomes) {
        if (outcome.verdict === 'green' && !survivors.has(mutant)) {
          survivors.add(mutant)
          continue
        }
        reported.add(mutant)
        report(mutant, outcome)
      }
      const [first] = rest
      if (first && outcomes.size === 0) {
        reported.add(first)
        report(first, { verdict: 'broken', output: 'the process ended before this mutant' })
      }
      rest = rest.filter((mutant) => !reported.has(mutant))
    } while (rest.length > 0 || problem)
    for (const mutant of alone) report(mutant, await runInOwnProcess(file, mutant))
    return undefined
  }

  return { runFile }
}

export type Trial = ReturnType<typeof createTrial>
