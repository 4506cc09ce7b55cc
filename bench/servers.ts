/** The servers that are measured: how each one is started, measured and stopped. */
import type { ChildProcess } from 'node:child_process'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { exchange } from './exchange.ts'
import type { Usage } from './preload.ts'
import { createDatabase, findFreePort, findProcess, readTreeCpuMicros, startRedis } from './stores.ts'

export type MeasuredServer = {
  name: 'bare' | 'postgres' | 'postgres+redis' | 'before, postgres' | 'before, postgres+redis'
  issuer: string
  usage: () => Promise<Usage>
  /**
   * Microseconds of CPU of the stores that only this server uses; undefined where that cannot be
   * read.
   */
  storeCpuMicros: () => number | undefined
  close: () => Promise<void>
}

export type MeasuredLatchkey = MeasuredServer & {
  /** Runs `latchkey` next to this server. Throws its output when it fails. */
  command: (...args: string[]) => Promise<void>
}

const startDeadlineMs = 60_000
const preload = fileURLToPath(new URL('./preload.ts', import.meta.url))
const bareServer = fileURLToPath(new URL('./bare-server.ts', import.meta.url))
const bareDocuments = fileURLToPath(new URL('./bare-documents.ts', import.meta.url))
const ownCheckout = fileURLToPath(new URL('..', import.meta.url))

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}

const processEnv = (env: Record<string, string>) => ({ PATH: process.env.PATH, HOME: process.env.HOME, ...env })

async function runCommand(checkout: string, args: readonly string[], env: Record<string, string>): Promise<void> {
  await promisify(execFile)(process.execPath, [join(checkout, 'src/cli.ts'), ...args], { env: processEnv(env) })
}

/**
 * The flags between `node` and the file in the `start` script of a checkout, so that the server
 * runs as in production.
 */
function startFlags(checkout: string): string[] {
  const { scripts } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as { scripts: { start: string } }
  const words = scripts.start.split(' ')
  return words.slice(words.indexOf('node') + 1, -1)
}

/**
 * Starts a server file with the preload and waits until its discovery document answers. Its output
 * is written to `logFile`.
 */
async function launch(file: string, env: Record<string, string>, logFile: string, checkout = ownCheckout) {
  const port = await findFreePort()
  const issuer = `http://localhost:${port}`
  const log = openSync(logFile, 'a')
  const child = spawn(process.execPath, [...startFlags(checkout), '--import', preload, file], {
    cwd: checkout,
    env: { ...processEnv(env), PORT: String(port) },
    stdio: ['ignore', log, log, 'ipc'],
  })
  const deadline = Date.now() + startDeadlineMs
  const isAnswering = () =>
    fetch(`${issuer}/.well-known/openid-configuration`).then(
      ({ ok }) => ok,
      () => false,
    )
  while (!(await isAnswering())) {
    if (child.exitCode !== null || Date.now() > deadline) {
      await stop(child)
      throw new Error(`${file} did not start:\n${readFileSync(logFile, 'utf8').slice(-4000)}`)
    }
    await sleep(50)
  }
  const usage = () => exchange<Usage>(child, 'usage')
  return { issuer, child, usage }
}

/**
 * One machine sends more requests than the limits allow. The limits stay on, but at least a
 * thousand times as high.
 */
async function raiseLimits(checkout: string, env: Readonly<Record<string, string>>): Promise<void> {
  const command = spawn(
    process.execPath,
    [join(checkout, 'src/cli.ts'), 'settings', 'set', 'rateLimitPercent', '1000000'],
    {
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  )
  const [code] = await once(command, 'exit')
  if (code !== 0) throw new Error('the limits could not be raised')
}

export type LatchkeyOptions = {
  folder: string
  withRedis: boolean
  logLevel: string
  databaseUrl: string | undefined
  /** The folder of another checkout, with its packages, that is measured next to this one. */
  before?: string | undefined
  /** Further environment variables of the server. */
  env?: Record<string, string>
}

/**
 * Latchkey as a single process, on its own embedded Postgres (fsync on) or on a new database next
 * to that of `databaseUrl`. Returns undefined when Redis is wanted and not installed.
 */
export async function startLatchkey(options: LatchkeyOptions): Promise<MeasuredLatchkey | undefined> {
  const { withRedis, logLevel, databaseUrl, before } = options
  const checkout = before ?? ownCheckout
  const store = withRedis ? 'postgres+redis' : 'postgres'
  const name = before === undefined ? store : (`before, ${store}` as const)
  const folder = join(options.folder, before === undefined ? store : `before-${store}`)
  mkdirSync(folder, { recursive: true })
  const redis = withRedis ? await startRedis(folder) : undefined
  if (withRedis && !redis) return undefined
  const databaseName = `latchkey_bench_${process.pid}_${withRedis ? 'redis' : 'plain'}${before === undefined ? '' : '_before'}`
  const database = databaseUrl ? await createDatabase(databaseUrl, databaseName) : undefined
  const env = {
    NODE_ENV: 'development',
    DATA_FOLDER: folder,
    LOG_LEVEL: logLevel,
    ...(database && { DATABASE_URL: database.url }),
    ...(redis && { REDIS_URL: redis.url }),
    ...options.env,
  }
  const { issuer, child, usage } = await launch(
    join(checkout, 'src/main.ts'),
    env,
    join(folder, 'server.log'),
    checkout,
  )
  await raiseLimits(checkout, env)
  const stores = [database ? undefined : findProcess('postgres', folder), redis?.process.pid]
  const storePids = stores.filter((pid) => pid !== undefined)
  return {
    name,
    issuer,
    usage,
    storeCpuMicros: () => (database ? undefined : readTreeCpuMicros(storePids)),
    command: (...args) => runCommand(checkout, args, env),
    async close() {
      await stop(child)
      await database?.drop()
      if (redis) await stop(redis.process)
    },
  }
}

/**
 * The bare engine, with the same kinds of keys as `like` (a running Latchkey), in the same order.
 */
export async function startBare(folder: string, like: MeasuredServer): Promise<MeasuredServer> {
  const { keys } = (await (await fetch(`${like.issuer}/jwks`)).json()) as { keys: unknown[] }
  const env = { NODE_ENV: 'production', BENCH_JWKS: JSON.stringify(keys) }
  const { issuer, child, usage } = await launch(bareServer, env, join(folder, 'bare.log'))
  return { name: 'bare', issuer, usage, storeCpuMicros: () => 0, close: () => stop(child) }
}

/** A bare `node:http` server with the same answers as `like` at `paths`. */
export async function startBareDocuments(
  folder: string,
  like: MeasuredServer,
  paths: readonly string[],
): Promise<MeasuredServer> {
  const documents: Record<string, { headers: string[]; body: string }> = {}
  for (const path of paths) {
    const response = await fetch(`${like.issuer}${path}`)
    const own = ['date', 'connection', 'keep-alive', 'x-request-id']
    const headers = [...response.headers].filter(([name]) => !own.includes(name)).flat()
    documents[path] = { headers, body: await response.text() }
  }
  const env = { BENCH_DOCUMENTS: JSON.stringify(documents) }
  const { issuer, child, usage } = await launch(bareDocuments, env, join(folder, 'bare-documents.log'))
  return { name: 'bare', issuer, usage, storeCpuMicros: () => 0, close: () => stop(child) }
}
