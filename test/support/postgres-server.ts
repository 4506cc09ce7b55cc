/**
 * A Postgres server as Debian installs it, in its own folder, that a test starts, stops and kills.
 */
import type { ChildProcess } from 'node:child_process'
import { spawn, spawnSync } from 'node:child_process'
import { chownSync, closeSync, openSync, readFileSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import { releasedAtEnd } from './cleanup.ts'
import { createTestFolder } from './folders.ts'
import { findFreePort } from './ports.ts'
import { getProgram } from './programs.ts'
import { waitFor } from './wait.ts'
import { watchProcess } from './watchdog.ts'

export type PostgresServer = {
  /** URL of a database on it, over TCP on loopback. `postgres` always exists. */
  url: (database?: string) => string
  /** Creates an empty database and returns its URL. */
  createDatabase: (name: string) => Promise<string>
  /** Runs each statement as the superuser, in its own transaction. */
  run: (...statements: readonly string[]) => Promise<void>
  start: () => Promise<void>
  /** Shuts it down in order. */
  stop: () => Promise<void>
  /** kill -9 of the server process. Its children notice and end. */
  kill: () => Promise<void>
  /** Stops the server and its connections with SIGSTOP: no answers, and no closed connections. */
  freeze: () => void
  thaw: () => void
  close: () => Promise<void>
}

const nobody = 65534

/** Creates and starts it (about a second). `settings` are Postgres' own; fsync is on by default. */
export async function startPostgresServer(settings: Readonly<Record<string, string>> = {}): Promise<PostgresServer> {
  const program = getProgram('postgres')
  const folder = createTestFolder()
  const data = path.join(folder, 'data')
  // Postgres refuses to run as root.
  const isRoot = process.getuid?.() === 0
  const user = isRoot ? { uid: nobody, gid: nobody } : {}
  if (isRoot) chownSync(folder, nobody, nobody)
  const args = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-locale', '--no-sync']
  const made = spawnSync(path.join(path.dirname(program), 'initdb'), args, { ...user, cwd: '/', encoding: 'utf8' })
  if (made.status !== 0) throw new Error(`initdb failed: ${made.error ?? made.stderr}`)

  const port = await findFreePort()
  const url = (database = 'postgres') => `postgresql://postgres@127.0.0.1:${port}/${database}`
  let server: ChildProcess
  let ended: Promise<void>

  async function start() {
    const all = { listen_addresses: '127.0.0.1', unix_socket_directories: '', max_connections: '200', ...settings }
    const flags = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const log = openSync(path.join(folder, 'log'), 'a')
    server = spawn(program, ['-D', data, '-p', String(port), ...flags], {
      ...user,
      cwd: '/',
      stdio: ['ignore', log, log],
      detached: true,
    })
    closeSync(log)
    watchProcess(server, 'QUIT')
    ended = new Promise((resolve) => server.once('exit', () => resolve()))
    await waitFor(() => run(url(), 'SELECT 1').then(() => true), { what: 'the Postgres server' })
  }

  // Its connections are separate processes.
  const signalAll = (signal: NodeJS.Signals) => {
    const children = readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, 'utf8').trim().split(' ')
    const pids = [server.pid ?? 0, ...children.map(Number)].filter((pid) => pid > 0)
    for (const pid of pids) {
      try {
        process.kill(pid, signal)
      } catch (error) {
        // Already ended.
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
      }
    }
  }

  const end = async (signal: NodeJS.Signals) => {
    if (server.exitCode === null && server.signalCode === null) signalAll('SIGCONT')
    server.kill(signal)
    await ended
  }

  await start()
  return {
    url,
    createDatabase: async (name) => {
      await run(url(), `CREATE DATABASE ${name}`)
      return url(name)
    },
    run: async (...statements) => {
      for (const statement of statements) await run(url(), statement)
    },
    start,
    stop: () => end('SIGINT'),
    kill: () => end('SIGKILL'),
    freeze: () => signalAll('SIGSTOP'),
    thaw: () => signalAll('SIGCONT'),
    close: releasedAtEnd(() => end('SIGQUIT')),
  }
}

async function run(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  // The query rejects too.
  client.on('error', () => {})
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
