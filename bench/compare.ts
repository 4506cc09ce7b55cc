/**
 * The default mode of the bench: starts the servers and the load generator, measures every flow on
 * every server alternately, and prints the table.
 */
import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import path, { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { exchange } from './exchange.ts'
import { flows } from './flows.ts'
import type { Load, Order, Reply } from './generator.ts'
import { importPeople, peopleLines } from './people.ts'
import type { Row, Sample } from './report.ts'
import { formatTable, summarize } from './report.ts'
import type { MeasuredLatchkey, MeasuredServer } from './servers.ts'
import { startBare, startLatchkey } from './servers.ts'

const busyGenerator = 0.9
/**
 * An account for each worker: workers on one account would wait for its row, which real traffic
 * does not.
 */
const group = 'bench'

const integer = (text: string): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new Error(`${text} is not a number from 1 up`)
  return value
}

const options = new Command('bench')
  .description('Latchkey and the bare engine, interleaved in rounds on this machine.')
  .option('--concurrency <n>', 'requests under way at the same time', integer, 16)
  .option('--rounds <n>', 'how often every flow is measured on every server', integer, 5)
  .option('--seconds <n>', 'how long each measurement lasts', integer, 3)
  .option('--flows <names>', `some of ${flows.map(({ name }) => name).join(',')}`)
  .option('--log-level <level>', "Latchkey's log level; info writes a line a request, the bare engine none", 'warn')
  .option(
    '--before <folder>',
    'another checkout with its packages: measured in the same rounds, with its ratio to this one',
  )
  .option('--json', 'print JSON')
  .parse()
  .opts<{
    concurrency: number
    rounds: number
    seconds: number
    flows?: string
    logLevel: string
    before?: string
    json?: boolean
  }>()

const chosen = options.flows?.split(',') ?? flows.map(({ name }) => name)
const unknown = chosen.filter((name) => !flows.some((flow) => flow.name === name))
if (unknown.length > 0) throw new Error(`no such flow: ${unknown.join(', ')}`)

const say = (line: string): void => console.error(line)

async function ask(generator: ChildProcess, order: Order | 'go'): Promise<Reply> {
  const reply = await exchange<Reply>(generator, order)
  if ('failure' in reply) throw new Error(`the load generator failed: ${reply.failure}`)
  return reply
}

async function measure(generator: ChildProcess, server: MeasuredServer, flow: string, round: number): Promise<Sample> {
  const { concurrency, seconds } = options
  await ask(generator, { issuer: server.issuer, concurrency, seconds, flow, group })
  const before = { ...(await server.usage()), store: server.storeCpuMicros() }
  const reply = await ask(generator, 'go')
  const after = { ...(await server.usage()), store: server.storeCpuMicros() }
  const load = (reply as { load: Load }).load
  if (load.failures > 0) {
    throw new Error(`${flow} on ${server.name}: ${load.failures} failures, the first: ${load.firstFailure}`)
  }
  const canReadStores = before.store !== undefined && after.store !== undefined
  return {
    flow,
    server: server.name,
    round,
    requests: load.latencies.length,
    operations: load.operations,
    elapsedSeconds: load.elapsedSeconds,
    latencies: load.latencies,
    cpuMicros: after.cpuMicros - before.cpuMicros,
    storeCpuMicros: canReadStores ? after.store! - before.store! : undefined,
    residentBytes: after.residentBytes,
    generatorUtilization: load.utilization,
  }
}

async function measureAll(generator: ChildProcess, servers: readonly MeasuredServer[]): Promise<Sample[]> {
  const samples: Sample[] = []
  // Round 0 warms up compiled code, pools and caches. Its result is dropped.
  for (let round = 0; round <= options.rounds; round += 1) {
    say(round === 0 ? 'warming up' : `round ${round} of ${options.rounds}`)
    for (const flow of chosen) {
      // Each server is first equally often, because the speed of the machine may change during the
      // run.
      const first = round % servers.length
      for (const server of [...servers.slice(first), ...servers.slice(0, first)]) {
        const sample = await measure(generator, server, flow, round)
        if (round > 0) samples.push(sample)
      }
    }
  }
  return samples
}

function print(rows: readonly Row[], missing: readonly string[]): void {
  const machine = `${availableParallelism()} cores (${cpus()[0]?.model.trim()}), Node ${process.version}`
  const { concurrency, rounds, seconds, logLevel } = options
  const isGeneratorLimit = rows.some((row) => row.generatorUtilization > busyGenerator)
  if (options.json) {
    console.log(JSON.stringify({ machine, concurrency, rounds, seconds, logLevel, missing, rows }, null, 2))
    return
  }
  console.log(`\n${machine}; concurrency ${concurrency}, ${rounds} rounds of ${seconds} s, log level ${logLevel}`)
  console.log(formatTable(rows))
  for (const flow of flows) if (chosen.includes(flow.name)) console.log(`${flow.name}: ${flow.description}`)
  console.log(
    'Rates and CPU are medians over the rounds, ratios are to the bare engine in the same round, with the lowest and the highest.\n' +
      'Memory is the server process after the last measurement. Server, stores and generator share the cores, so trust CPU over rate.',
  )
  for (const name of missing) console.log(`Not measured: ${name}`)
  console.log(
    isGeneratorLimit
      ? `The generator was busy for more than ${busyGenerator * 100} % of the time in some rows: there it is a part of what is measured.`
      : `The generator was never busy for more than ${busyGenerator * 100} % of the time: it is not the bottleneck.`,
  )
}

const folder = mkdtempSync(join(tmpdir(), 'latchkey-bench-'))
const latchkeys: MeasuredLatchkey[] = []
let servers: MeasuredServer[] = []
const missing: string[] = []
const generator = fork(fileURLToPath(new URL('./generator.ts', import.meta.url)))
// Ctrl-C ends the generator, which ends the measurement. This process stays to clean up.
process.on('SIGINT', () => generator.kill())
try {
  await exchange(generator)
  for (const withRedis of [false, true]) {
    const { logLevel } = options
    const server = await startLatchkey({ folder, withRedis, logLevel, databaseUrl: process.env.DATABASE_URL })
    if (server) latchkeys.push(server)
    if (server && options.before !== undefined) {
      const before = path.resolve(options.before)
      const other = await startLatchkey({ folder, withRedis, logLevel, databaseUrl: process.env.DATABASE_URL, before })
      if (other) latchkeys.push(other)
    }
    if (!server) missing.push('postgres+redis: redis-server is not installed')
  }
  const people = await peopleLines([{ name: group, kind: 'usual', count: options.concurrency }])
  for (const server of latchkeys) await importPeople(server, folder, people)
  servers = [await startBare(folder, latchkeys[0]!), ...latchkeys]
  for (const server of servers) say(`${server.name}: ${server.issuer}`)
  const names = servers.map(({ name }) => name)
  print(summarize(await measureAll(generator, servers), names), missing)
} catch (error) {
  console.error(error)
  process.exitCode = 1
} finally {
  if (generator.connected) generator.disconnect()
  for (const server of servers.length > 0 ? servers : latchkeys) await server.close()
  rmSync(folder, { recursive: true, force: true })
}
