/**
 * `npm run bench -- --fire`: the hash pool under load. Tokens are issued at a steady rate,
 * alternately with and without a burst of logins, while the server's memory is watched. Reports for
 * each goal whether it is met.
 */
import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { hashingSlots } from '../src/passwords/threads.ts'
import { exchange } from './exchange.ts'
import type { Fire, FireReply } from './fire-logins.ts'
import type { Load, Reply } from './generator.ts'
import { behindProxy, hashCost, importPeople, peopleLines } from './people.ts'
import type { MeasuredLatchkey } from './servers.ts'
import { startLatchkey } from './servers.ts'
import { median, percentile } from './statistics.ts'

const goals = { slowdown: 3, answeredMs: 5_000, sentAwayMs: 1_000 }
const mebibyte = 2 ** 20
const people = 2_000
const group = 'fire'
const watchEveryMs = 20

const integer = (text: string): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new Error(`${text} is not a number from 1 up`)
  return value
}

const options = new Command('bench --fire')
  .description('Tokens and memory while logins fill the hash pool, beside the same server at rest.')
  .option('--rounds <n>', 'how often each flow is measured at rest and under fire', integer, 5)
  .option('--seconds <n>', 'how long each measurement lasts', integer, 5)
  .option('--logins <n>', 'logins under way at the same time', integer, 64)
  .option(
    '--patience <ms>',
    'how soon somebody who is told to come back does; without it, when they were told',
    integer,
  )
  .option('--rate <n>', 'token requests a second', integer, 80)
  .option('--slots <n>', "the server's PASSWORD_HASH_SLOTS; without it, its default", integer)
  .option('--flows <names>', 'which tokens are issued', 'client_credentials,refresh')
  .option('--json', 'print JSON')
  .parse()
  .opts<{
    rounds: number
    seconds: number
    logins: number
    patience?: number
    rate: number
    slots?: number
    flows: string
    json?: boolean
  }>()

const tokenWorkers = 8
const say = (line: string): void => console.error(line)
const start = (file: string): ChildProcess => fork(fileURLToPath(new URL(file, import.meta.url)))

async function ask<R extends object>(
  child: ChildProcess,
  order: object | string,
): Promise<Exclude<R, { failure: string }>> {
  const reply = await exchange<R>(child, order)
  if ('failure' in reply) throw new Error(String(reply.failure))
  return reply as Exclude<R, { failure: string }>
}

/** Watches the server's memory until `work` is done. Returns the maximum. */
async function watchMemory<T>(server: MeasuredLatchkey, work: Promise<T>): Promise<{ result: T; mostBytes: number }> {
  let mostBytes = 0
  let isDone = false
  const watch = async () => {
    while (!isDone) {
      mostBytes = Math.max(mostBytes, (await server.usage()).residentBytes)
      await sleep(watchEveryMs)
    }
  }
  const watching = watch()
  const result = await work.finally(() => {
    isDone = true
  })
  await watching
  return { result, mostBytes }
}

type Round = { flow: string; idle: Load; fired: Load; fire: Fire; restBytes: number; peakBytes: number }

async function measure(
  server: MeasuredLatchkey,
  tokens: ChildProcess,
  logins: ChildProcess,
  flow: string,
): Promise<Round> {
  const { seconds, rate } = options
  const { issuer } = server
  const everyMs = (1000 / rate) * tokenWorkers
  const issue = async (): Promise<Load> => {
    const { load } = (await ask<Reply>(tokens, 'go')) as { load: Load }
    if (load.failures > 0) throw new Error(`${flow}: ${load.failures} failures, the first: ${load.firstFailure}`)
    return load
  }
  await ask<Reply>(tokens, { issuer, concurrency: tokenWorkers, seconds, flow, everyMs })
  const { result: idle, mostBytes: restBytes } = await watchMemory(server, issue())
  // The logins begin before the tokens and end after them, so that every token is issued under
  // load.
  const order = { issuer, logins: options.logins, seconds: seconds + 2, group, people, patienceMs: options.patience }
  const both = async () => {
    const burning = ask<FireReply>(logins, order)
    await sleep(1_000)
    const fired = await issue()
    const { fire } = (await burning) as { fire: Fire }
    if (fire.failures > 0) throw new Error(`${fire.failures} logins failed, the first: ${fire.firstFailure}`)
    return { fired, fire }
  }
  const { result, mostBytes: peakBytes } = await watchMemory(server, both())
  return { flow, idle, ...result, restBytes, peakBytes }
}

const p99 = (values: readonly number[]): number => percentile(values, 0.99)
const ms = (value: number): string => `${value.toFixed(1)} ms`
const mib = (bytes: number): string => `${(bytes / mebibyte).toFixed(0)} MiB`

function report(rounds: readonly Round[], slots: number) {
  const flows = [...Map.groupBy(rounds, ({ flow }) => flow)].map(([flow, own]) => {
    const all = (pick: (round: Round) => number[]) => own.flatMap(pick)
    const idle = all((round) => round.idle.latencies)
    const fired = all((round) => round.fired.latencies)
    const ratios = own.map((round) => p99(round.fired.latencies) / p99(round.idle.latencies))
    return {
      flow,
      requests: fired.length,
      idleP50: median(idle),
      firedP50: median(fired),
      idleP99: p99(idle),
      firedP99: p99(fired),
      slowdown: p99(fired) / p99(idle),
      lowest: Math.min(...ratios),
      highest: Math.max(...ratios),
    }
  })
  const signedIn = rounds.flatMap(({ fire }) => fire.signedIn)
  const sentAway = rounds.flatMap(({ fire }) => fire.sentAway)
  const retryAfter = rounds.flatMap(({ fire }) => fire.retryAfter)
  const [first, last] = [rounds[0]!, rounds.at(-1)!]
  const peakBytes = Math.max(...rounds.map((round) => round.peakBytes))
  const growthBytes = Math.max(...rounds.map((round) => round.peakBytes - round.restBytes))
  return {
    flows,
    logins: {
      signedIn: signedIn.length,
      slowestSignedIn: Math.max(...signedIn),
      medianSignedIn: median(signedIn),
      sentAway: sentAway.length,
      slowestSentAway: Math.max(0, ...sentAway),
      medianSentAway: median(sentAway),
      retryAfter: { least: Math.min(...retryAfter), most: Math.max(...retryAfter) },
    },
    memory: {
      firstRestBytes: first.restBytes,
      lastRestBytes: last.restBytes,
      peakBytes,
      growthBytes,
      poolBytes: slots * hashCost.memoryKiB * 1024,
    },
  }
}

function print({ flows, logins, memory }: ReturnType<typeof report>, slots: number): boolean {
  const held: boolean[] = []
  const goal = (isHeld: boolean, sentence: string) => {
    held.push(isHeld)
    console.log(`  ${isHeld ? 'holds ' : 'MISSED'} ${sentence}`)
  }
  for (const flow of flows) {
    console.log(
      `${flow.flow}: p50 ${ms(flow.idleP50)} at rest, ${ms(flow.firedP50)} under fire; p99 ${ms(flow.idleP99)} at rest, ${ms(flow.firedP99)} under fire (${flow.requests} requests)`,
    )
    goal(
      flow.slowdown <= goals.slowdown,
      `p99 under fire at most ${goals.slowdown} times that at rest: ${flow.slowdown.toFixed(2)} (rounds ${flow.lowest.toFixed(2)} to ${flow.highest.toFixed(2)})`,
    )
  }
  console.log(
    `logins: ${logins.signedIn} signed in (median ${ms(logins.medianSignedIn)}), ${logins.sentAway} told to come back (median ${ms(logins.medianSentAway)}, in ${logins.retryAfter.least} to ${logins.retryAfter.most} s)`,
  )
  goal(
    logins.slowestSignedIn <= goals.answeredMs,
    `signed in within ${goals.answeredMs} ms: the slowest took ${ms(logins.slowestSignedIn)}`,
  )
  goal(
    logins.slowestSentAway <= goals.sentAwayMs,
    `told to come back within ${goals.sentAwayMs} ms: the slowest took ${ms(logins.slowestSentAway)}`,
  )
  const { firstRestBytes, lastRestBytes, peakBytes, growthBytes, poolBytes } = memory
  console.log(
    `memory of the server: ${mib(firstRestBytes)} at rest, ${mib(peakBytes)} at most, ${mib(lastRestBytes)} at rest in the last round`,
  )
  // Half a hash more: what 64 requests at once use until the garbage collector runs.
  const allowed = poolBytes + (hashCost.memoryKiB * 1024) / 2
  goal(
    growthBytes <= allowed,
    `grows within a round by at most ${slots} hashes of 64 MiB and half a one: ${mib(growthBytes)} of ${mib(allowed)}`,
  )
  return held.every(Boolean)
}

const cores = availableParallelism()
const slots = hashingSlots({ configured: options.slots, cores, serverProcesses: 1, parallelism: hashCost.parallelism })
const folder = mkdtempSync(join(tmpdir(), 'latchkey-fire-'))
const [tokens, logins] = [start('./generator.ts'), start('./fire-logins.ts')]
process.on('SIGINT', () => tokens.kill())
let server: MeasuredLatchkey | undefined
try {
  await Promise.all([exchange(tokens), exchange(logins)])
  const env = { ...behindProxy, ...(options.slots !== undefined && { PASSWORD_HASH_SLOTS: String(options.slots) }) }
  const databaseUrl = process.env.DATABASE_URL
  server = await startLatchkey({ folder, withRedis: false, logLevel: 'warn', databaseUrl, env })
  if (!server) throw new Error('the server did not start')
  await importPeople(server, folder, await peopleLines([{ name: group, kind: 'usual', count: people }]))
  const rounds: Round[] = []
  // Round 0 warms up compiled code, pools and the heap. Its result is dropped.
  for (let round = 0; round <= options.rounds; round += 1) {
    say(round === 0 ? 'warming up' : `round ${round} of ${options.rounds}`)
    for (const flow of options.flows.split(',')) {
      const measured = await measure(server, tokens, logins, flow)
      if (round > 0) rounds.push(measured)
    }
  }
  const result = report(rounds, slots)
  const machine = `${cores} cores (${cpus()[0]?.model.trim()}), Node ${process.version}`
  const { json: _, ...measured } = options
  if (options.json) console.log(JSON.stringify({ machine, ...measured, slots, ...result }, null, 2))
  else {
    console.log(
      `\n${machine}; ${options.logins} logins at once, ${slots} slots, ${options.rate} token requests a second, ${options.rounds} rounds of ${options.seconds} s`,
    )
    if (!print(result, slots)) process.exitCode = 1
  }
} catch (error) {
  console.error(error)
  process.exitCode = 1
} finally {
  for (const child of [tokens, logins]) if (child.connected) child.disconnect()
  await server?.close()
  rmSync(folder, { recursive: true, force: true })
}
