/**
 * `npm run bench -- --login-timing`: whether the time or the bytes of the answers of login,
 * registration and recovery reveal that an address has an account. Exits with 1 when they do.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import Table from 'cli-table3'
import { Command } from 'commander'
import { comparisonsAt, groupsFor } from './answers.ts'
import { behindProxy, floorCost, hashCost, hashEnv, importPeople, peopleLines } from './people.ts'
import type { MeasuredLatchkey } from './servers.ts'
import { startLatchkey } from './servers.ts'
import type { Comparison } from './timing.ts'
import { allowedBeyond, compareCases } from './timing.ts'

const options = new Command('bench --login-timing')
  .description('Answers to known and unknown addresses, tried in turns.')
  .option('--tries <n>', 'how often each case is tried', Number, 200)
  .option('--floor', 'hash at the lowest cost that is taken, so that everything but the hash weighs more')
  .option(
    '--only <names>',
    'some of login,login with hashes of other costs,registration,recovery,the page after recovery',
  )
  .parse()
  .opts<{ tries: number; floor?: boolean; only?: string }>()

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`

function print(name: string, { timings, selfDistance, isAlike }: Comparison): boolean {
  const table = new Table({
    head: [name, 'median ms', 'from the first', 'the same answer'],
    style: { head: [], border: [], compact: true },
  })
  for (const { name: label, medianMs, apart, isSameAnswer } of timings) {
    table.push([label, medianMs.toFixed(2), percent(apart), isSameAnswer ? 'yes' : 'NO'])
  }
  console.log(table.toString())
  const isSame = timings.every(({ isSameAnswer }) => isSameAnswer)
  const goal = `at most ${percent(allowedBeyond)} beyond the first case's distance from itself, ${percent(selfDistance)}`
  console.log(`${isAlike && isSame ? 'holds ' : 'MISSED'} ${goal}\n`)
  return isAlike && isSame
}

const folder = mkdtempSync(join(tmpdir(), 'latchkey-timing-'))
const cost = options.floor ? floorCost : hashCost
let server: MeasuredLatchkey | undefined
try {
  const env = { ...behindProxy, ...hashEnv(cost) }
  server = await startLatchkey({
    folder,
    withRedis: false,
    logLevel: 'warn',
    databaseUrl: process.env.DATABASE_URL,
    env,
  })
  if (!server) throw new Error('the server did not start')
  await importPeople(server, folder, await peopleLines(groupsFor(options.tries), cost))
  console.log(
    `${availableParallelism()} cores (${cpus()[0]?.model.trim()}), Node ${process.version}; ${options.tries} tries each, in turns`,
  )
  const wanted = options.only?.split(',')
  const held: boolean[] = []
  for (const { name, cases } of comparisonsAt(server.issuer)) {
    if (wanted && !wanted.includes(name)) continue
    held.push(print(name, await compareCases(cases, options.tries)))
  }
  if (!held.every(Boolean)) process.exitCode = 1
} catch (error) {
  console.error(error)
  process.exitCode = 1
} finally {
  await server?.close()
  rmSync(folder, { recursive: true, force: true })
}
