/**
 * `npm run bench -- --memory`: the resident memory of one server process, at rest after its start,
 * and the maximum while every flow runs. Exits with 1 when a goal is missed.
 */
import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { exchange } from './exchange.ts'
import { flows } from './flows.ts'
import type { Load, Order, Reply } from './generator.ts'
import { importPeople, peopleLines } from './people.ts'
import type { MeasuredLatchkey } from './servers.ts'
import { startLatchkey } from './servers.ts'

const mebibyte = 1_048_576
const goals = { rest: 140, load: 300 }
const restMs = 10_000
const sampledEveryMs = 100
const group = 'bench'

const { concurrency, seconds, redis } = new Command('bench --memory')
  .description('The resident memory of a server process, at rest and under load.')
  .option('--concurrency <n>', 'requests under way at the same time', Number, 16)
  .option('--seconds <n>', 'how long each flow runs', Number, 5)
  .option('--no-redis', 'Postgres alone')
  .parse()
  .opts<{ concurrency: number; seconds: number; redis: boolean }>()

async function ask(generator: ChildProcess, order: Order | 'go'): Promise<Reply> {
  const reply = await exchange<Reply>(generator, order)
  if ('failure' in reply) throw new Error(`the load generator failed: ${reply.failure}`)
  return reply
}

/**
 * Runs one flow. Returns the server's maximum memory meanwhile, in bytes, and the requests a
 * second.
 */
async function runFlow(generator: ChildProcess, server: MeasuredLatchkey, flow: string) {
  await ask(generator, { issuer: server.issuer, concurrency, seconds, flow, group })
  let isOver = false
  let most = 0
  const sampling = (async () => {
    while (!isOver) {
      most = Math.max(most, (await server.usage()).residentBytes)
      await sleep(sampledEveryMs)
    }
  })()
  const { load } = (await ask(generator, 'go')) as { load: Load }
  isOver = true
  await sampling
  if (load.failures > 0) throw new Error(`${flow}: ${load.failures} failures, the first: ${load.firstFailure}`)
  return { most, rate: load.latencies.length / load.elapsedSeconds }
}

function judge(what: string, bytes: number, goal: number): void {
  const isHeld = bytes <= goal * mebibyte
  console.log(`${isHeld ? 'holds ' : 'MISSED'} ${what}: ${Math.round(bytes / mebibyte)} MiB, goal ${goal} MiB`)
  if (!isHeld) process.exitCode = 1
}

const folder = mkdtempSync(join(tmpdir(), 'latchkey-memory-'))
const generator = fork(fileURLToPath(new URL('./generator.ts', import.meta.url)))
let server: MeasuredLatchkey | undefined
try {
  await exchange(generator)
  const databaseUrl = process.env.DATABASE_URL
  // The first start creates the database and the development data, and its memory is not typical.
  const start = () => startLatchkey({ folder, withRedis: redis, logLevel: 'warn', databaseUrl })
  await (await start())?.close()
  server = await start()
  if (!server) throw new Error('redis-server is not installed; --no-redis measures without it')
  await importPeople(server, folder, await peopleLines([{ name: group, kind: 'usual', count: concurrency }]))
  await sleep(restMs)
  const rest = (await server.usage()).residentBytes
  console.log(
    `${availableParallelism()} cores (${cpus()[0]?.model.trim()}), Node ${process.version}; ${concurrency} connections, ${seconds} s each flow`,
  )
  let most = rest
  for (const { name } of flows) {
    const measured = await runFlow(generator, server, name)
    most = Math.max(most, measured.most)
    console.log(`${name}: ${Math.round(measured.most / mebibyte)} MiB at most, ${Math.round(measured.rate)} requests/s`)
  }
  judge('at rest', rest, goals.rest)
  judge('under load', most, goals.load)
} catch (error) {
  console.error(error)
  process.exitCode = 1
} finally {
  if (generator.connected) generator.disconnect()
  await server?.close()
  rmSync(folder, { recursive: true, force: true })
}
