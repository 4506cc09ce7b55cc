/**
 * `npm run mutants [-- WORD…] [--changed] [--shard 1/4] [--minutes N]`: checks that security tests
 * can fail. Applies each mutant to a copy of the project, runs its test, and expects a failure.
 * With words, only mutants whose description or file contains one of them.
 */
import { availableParallelism, totalmem } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { readDurations } from '../durations.ts'
import { listTestFiles } from '../lanes.ts'
import setUp from '../support/global-setup.ts'
import tearDown from '../support/global-teardown.ts'
import { mutants } from './list.ts'
import type { Mutant } from './mutant.ts'
import { mutate } from './mutant.ts'
import { findChanges, readShard, selectMutants, shuffleByCommit } from './select.ts'
import type { Outcome, Trial } from './trial.ts'
import { createTrial } from './trial.ts'

const root = path.resolve(import.meta.dirname, '../..')
const lanes = Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / 1.5e9)))

const { values, positionals } = parseArgs({
  options: { changed: { type: 'boolean' }, shard: { type: 'string' }, minutes: { type: 'string' } },
  allowPositionals: true,
})

/** The mutants of this run, and the reason why they were chosen. */
function choose(): { wanted: Mutant[]; reason: string } {
  const shard = values.shard === undefined ? undefined : readShard(values.shard)
  if (!values.changed) return { wanted: selectMutants(mutants, { words: positionals, shard }), reason: '' }
  const changes = findChanges(root)
  const wanted = selectMutants(mutants, { words: positionals, shard, changed: changes?.files })
  const reason = changes
    ? `whose file or test has changed since ${changes.base}`
    : 'all of them, because there is no release tag'
  return { wanted, reason }
}

/** Runs `jobs` with one copy of the project for each core. */
async function forEach<T>(jobs: readonly T[], trials: readonly Trial[], work: (job: T, trial: Trial) => Promise<void>) {
  const queue = [...jobs]
  await Promise.all(
    trials.map(async (trial) => {
      for (let job = queue.shift(); job !== undefined; job = queue.shift()) await work(job, trial)
    }),
  )
}

async function tryAll(wanted: readonly Mutant[]): Promise<{ killed: number; failed: number; left: number }> {
  for (const mutant of wanted) mutate(mutant, root)
  const trials = Array.from({ length: Math.min(lanes, wanted.length) }, createTrial)
  const count = { killed: 0, failed: 0, left: 0 }
  const minutes = Number(values.minutes ?? Number.POSITIVE_INFINITY)
  const endsAt = performance.now() + minutes * 60_000
  const durations = readDurations()
  const workOf = ([test, ofTest]: readonly [string, readonly Mutant[]]) => (durations[test] ?? 0) * ofTest.length
  const groups = [...Map.groupBy(wanted, ({ test }) => test)]
  const byTest =
    values.minutes === undefined
      ? groups.sort((one, other) => workOf(other) - workOf(one))
      : shuffleByCommit(groups, ([test]) => test, root)

  await forEach(byTest, trials, async ([test, ofTest], trial) => {
    if (performance.now() > endsAt) {
      count.left += ofTest.length
      return
    }
    let survivors = ofTest
    for (const file of listFiles(test)) {
      if (survivors.length === 0) return
      const dead = new Set<Mutant>()
      const problem = await trial.runFile(file, survivors, (mutant, outcome) => {
        if (report(file, mutant, outcome)) dead.add(mutant)
      })
      if (problem) {
        // A test that fails without a mutant proves nothing.
        console.log(`${file} is ${problem.verdict} without any mutant:\n${problem.output}`)
        break
      }
      count.killed += dead.size
      survivors = survivors.filter((mutant) => !dead.has(mutant))
    }
    for (const { disables, file } of survivors) {
      count.failed += 1
      console.log(`SURVIVED ${disables} (${file}), ${test}`)
    }
  })
  return count
}

/** The files of a test that is a folder; otherwise the test itself. */
const listFiles = (test: string): string[] => {
  const folder = test.replace(/\/$/, '')
  return test.endsWith('.test.ts') ? [test] : listTestFiles(root).filter((file) => file.startsWith(`${folder}/`))
}

/** Returns whether the mutant is killed. */
function report(test: string, { disables, file }: Mutant, { verdict, failed, output }: Outcome): boolean {
  const isDead = verdict === 'red' || verdict === 'too slow'
  if (isDead)
    console.log(`killed   ${disables} (${file}), ${verdict === 'red' ? `by "${failed}"` : `${test}: ${verdict}`}`)
  if (verdict === 'broken') console.log(`${test} is broken by the mutant "${disables}":\n${output}`)
  return isDead
}

const { wanted, reason } = choose()
console.log(`${wanted.length} of ${mutants.length} mutants${reason && `: ${reason}`}`)
const began = performance.now()
await setUp()
const { killed, failed, left } = await tryAll(wanted)
await tearDown()
if (left > 0) console.log(`${left} mutants were not tried within ${values.minutes} minutes`)
console.log(`${killed} killed, ${failed} survived or could not be tried`)
console.log(`\nThe lane mutants took ${Math.round((performance.now() - began) / 1000)} s.`)
console.log(`\n${killed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
