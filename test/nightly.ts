/** `npm run test:nightly [-- --shard 1/4]`: what is slow or needs a quiet machine: statistics of time, in the first part, and the mutants. */
import { spawn } from 'node:child_process'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { readShard } from './mutants/select.ts'

const { values } = parseArgs({ options: { shard: { type: 'string' } } })
const shard = readShard(values.shard ?? '1/1')

/** Runs a script of this folder, shows what it says, and gives what its last line counts. */
async function run(script: string, ...args: string[]): Promise<{ passed: number; failed: number }> {
  const child = spawn(process.execPath, [path.join(import.meta.dirname, script), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (chunk) => {
    output += String(chunk)
    process.stdout.write(chunk)
  })
  await new Promise((resolve) => child.once('close', resolve))
  const [, passed, failed] = /(?:^|\n)(\d+) passed, (\d+) failed\n$/.exec(output) ?? []
  return passed === undefined ? { passed: 0, failed: 1 } : { passed: Number(passed), failed: Number(failed) }
}

const outcomes = [
  ...(shard.index === 1 ? [await run('run.ts', '--lane', 'nightly')] : []),
  await run('mutants/run.ts', '--shard', `${shard.index}/${shard.count}`),
]
const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0)
const failed = sum(outcomes.map((outcome) => outcome.failed))
console.log(`\n${sum(outcomes.map((outcome) => outcome.passed))} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
