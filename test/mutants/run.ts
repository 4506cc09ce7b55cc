/**
 * `npm run mutants [-- WORD…] [--changed] [--shard 1/4] [--minutes N]`: checks that security tests
 * can fail. Applies each mutant to a copy of the project, runs its test, and expects a failure.
 * With words, only mutants whose description or file contains one of them.
 */
import { availableParallelism, totalmem } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import setUp from '../support/global-setup.ts'
import tearDown from '../support/global-teardown.ts'
import { mutants } from './list.ts'
import type { Mutant } from './mutant.ts'
import { mutate } from './mutant.ts'
import { findChanges, readShard, selectMutants, shuffle } from './select.ts'
import type { Trial } from './trial.ts'
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
    : 'all of them, because there is no history to compare with'
  return { wanted: shuffle(wanted, changes?.head ?? ''), reason }
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
  const endsAt = performance.now() + Number(values.minutes ?? Number.POSITIVE_INFINITY) * 60_000
  const trials = Array.from({ length: Math.min(lanes, wanted.length) }, createTrial)
  const count = { killed: 0, failed: 0, left: 0 }
  const byTest = Map.groupBy(wanted, ({ test }) => test)

  await forEach([...byTest], trials, async ([test, ofTest], trial) => {
    if (performance.now() > endsAt) {
      count.left += ofTest.length
      return
    }
    // A test that fails without a mutant proves nothing.
    const { verdict, output } = await trial.runTest(test)
    if (verdict !== 'green') {
      console.log(`${test} is ${verdict} without any mutant:\n${output}`)
      count.failed += ofTest.length
      return
    }
    for (const mutant of ofTest) {
      if (performance.now() > endsAt) count.left += 1
      else if (await isKilled(trial, mutant)) count.killed += 1
      else count.failed += 1
    }
  })
  return count
}

async function isKilled(trial: Trial, mutant: Mutant): Promise<boolean> {
  const { verdict, failed, output } = await trial.runMutant(mutant)
  const isDead = verdict === 'red' || verdict === 'too slow'
  const how = verdict === 'red' ? `by "${failed}"` : `${mutant.test}: ${verdict}`
  console.log(`${isDead ? 'killed  ' : 'SURVIVED'} ${mutant.disables} (${mutant.file}), ${how}`)
  if (verdict === 'broken') console.log(output)
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
