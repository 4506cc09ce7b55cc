/**
 * Started `src/main.ts` processes: any number on one database, with a clock that the test moves.
 */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { closeSync, openSync, writeSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { releasedAtEnd } from './cleanup.ts'
import { createTestFolder } from './folders.ts'
import { findFreePorts } from './ports.ts'
import { waitFor } from './wait.ts'
import { watchProcess } from './watchdog.ts'

export type StartedProcess = {
  pid: number
  /** The URL of this process, without a trailing slash. */
  url: string
  /** Everything printed so far, standard output and standard error. */
  output: () => string
  /** Sends a signal and waits for the exit: SIGKILL ends it at once, SIGTERM drains it first. */
  kill: (signal?: NodeJS.Signals) => Promise<Exit>
  /** Resolves when the process ends by itself. */
  exited: Promise<Exit>
  /** Starts it again on the same port with the same environment, after it has ended. */
  restart: () => Promise<void>
}

export type Exit = { code: number | null; signal: NodeJS.Signals | null }

export type Servers = {
  /** One issuer for all: the first one's URL, unless `env` has another. */
  issuer: string
  servers: readonly StartedProcess[]
  /** Moves the clock of all processes forward. Timers are not touched. */
  advanceClock: (ms: number) => void
  /** Kills the remaining processes. */
  close: () => Promise<void>
}

export type ServersOptions = {
  /** Undefined: the embedded database in `env.DATA_FOLDER`. */
  databaseUrl?: string
  env?: Readonly<Record<string, string>>
  /** False: do not wait until they answer (for servers that are expected not to start). */
  isReadyAwaited?: boolean
  /** True for tests of request limits. Other tests get limits far above their needs. */
  hasDefaultLimits?: boolean
  /** Changed as an administrator does, once the servers answer. */
  settings?: Readonly<Record<string, number>>
}

const root = path.resolve(import.meta.dirname, '../..')
export const shiftClock = fileURLToPath(import.meta.resolve('./shift-clock.ts'))

/** The password hash of tests with another subject: the minimum of OWASP's table plus one pass. */
export const cheapPasswordHash = {
  PASSWORD_HASH_MEMORY_KIB: '19456',
  PASSWORD_HASH_ITERATIONS: '2',
  PASSWORD_HASH_PARALLELISM: '1',
}

// Variables of the developer's machine must not reach the tests.
const inherited = ['NODE_COMPILE_CACHE', 'PATH', 'HOME', 'TMPDIR', 'LANG', 'TZ', 'NODE_EXTRA_CA_CERTS']

function environment(own: Readonly<Record<string, string>>): Record<string, string> {
  const base = inherited.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]))
  return { ...Object.fromEntries(base), NODE_ENV: 'test', ...cheapPasswordHash, LOG_LEVEL: 'info', ...own }
}

/** A file that moves the clock of every process that gets its name. */
export function createClockFile(folder: string) {
  const file = path.join(folder, 'clock')
  const open = openSync(file, 'w')
  let offsetMs = 0
  // Always twenty characters in one write, so that no process reads half a number.
  const write = () => writeSync(open, String(offsetMs).padStart(20), 0)
  write()
  return {
    file,
    advance: (ms: number) => {
      offsetMs += ms
      write()
    },
    close: () => closeSync(open),
  }
}

/** Starts `count` servers on free ports; resolves when they are ready, or throws their output. */
export async function startServers(count: number, options: ServersOptions = {}): Promise<Servers> {
  const folder = createTestFolder()
  const clock = createClockFile(folder)
  const ports = await findFreePorts(count)
  const issuer = options.env?.ISSUER ?? `http://localhost:${ports[0]}`
  const servers = ports.map((port) =>
    startProcess(port, {
      ISSUER: issuer,
      PORT: String(port),
      DATA_FOLDER: path.join(folder, 'data'),
      ...(options.databaseUrl !== undefined && { DATABASE_URL: options.databaseUrl }),
      ...options.env,
      LATCHKEY_TEST_CLOCK: clock.file,
    }),
  )
  const close = releasedAtEnd(async () => {
    await Promise.all(servers.map((server) => server.kill()))
    clock.close()
  })
  try {
    if (options.isReadyAwaited !== false) {
      await Promise.all(servers.map((server) => isReady(server)))
      const raised: Record<string, number> = options.hasDefaultLimits ? {} : { rateLimitPercent: 1_000_000 }
      if (options.databaseUrl !== undefined)
        await changeSettings(options.databaseUrl, { ...raised, ...options.settings })
    }
  } catch (error) {
    await close()
    throw error
  }
  return { issuer, servers, advanceClock: clock.advance, close }
}

/** Equals an administrator's setting, without an audit entry. The servers are notified. */
async function changeSettings(databaseUrl: string, settings: Readonly<Record<string, number>>): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    for (const [key, value] of Object.entries(settings)) {
      await client.query(
        'INSERT INTO setting (key, value, updated_at) VALUES ($1, $2, 0) ON CONFLICT (key) DO NOTHING',
        [key, JSON.stringify(value)],
      )
    }
  } finally {
    await client.end()
  }
}

function startProcess(port: number, env: Readonly<Record<string, string>>): StartedProcess {
  let output = ''
  let child: ChildProcess
  let exited: Promise<Exit>

  function start() {
    // --conditions and similar arguments of the test process are left out.
    child = spawn(process.execPath, ['--import', shiftClock, path.join(root, 'src/main.ts')], {
      cwd: root,
      env: environment(env),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    watchProcess(child)
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += String(chunk)))
    exited = new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal })))
  }
  start()

  const server: StartedProcess = {
    get pid() {
      return child.pid ?? 0
    },
    get exited() {
      return exited
    },
    url: `http://localhost:${port}`,
    output: () => output,
    kill: async (signal = 'SIGKILL') => {
      child.kill(signal)
      return exited
    },
    restart: async () => {
      await exited
      start()
      await isReady(server)
    },
  }
  return server
}

async function isReady(server: StartedProcess): Promise<void> {
  let exit: Exit | undefined
  void server.exited.then((how) => {
    exit = how
  })
  const check = async () => {
    if (exit) return true
    const response = await fetch(`${server.url}/health/ready`)
    await response.text()
    return response.status === 200
  }
  await waitFor(check, { what: `an answer of ${server.url}` }).catch((cause) => {
    throw new Error(`${server.url} did not get ready:\n${server.output()}`, { cause })
  })
  if (exit) throw new Error(`${server.url} ended (${exit.code ?? exit.signal}):\n${server.output()}`)
}
