/** The running Postgres of a data folder: who it is, starting it, stopping it. */
import type { ChildProcess } from 'node:child_process'
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Binaries } from './binaries.ts'
import type { Endpoint } from './endpoint.ts'
import { readPassword } from './endpoint.ts'
import type { RunAs } from './run-as.ts'

/** flock's way of saying that somebody else holds the lock. */
export const lockedStatus = 75

const longestLogBytes = 5_000_000
const shutdownPollMs = 10

// For one small machine. Error lines name neither the statement nor the row, which hold what people typed.
const settings = {
  max_connections: '300',
  shared_buffers: '64MB',
  log_checkpoints: 'off',
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
}

/** What `postmaster.pid` says; `endpoint` is there as soon as Postgres listens. */
export function readPostmaster(folder: string): { pid: number; endpoint: Endpoint | undefined } | undefined {
  const lines = readIfThere(path.join(folder, 'postmaster.pid'))?.toString().split('\n')
  const pid = Number(lines?.[0])
  if (!lines || !(pid > 0)) return undefined
  const [, , , port = '', socketFolder = '', listenAddress = ''] = lines
  const host = socketFolder || listenAddress
  return { pid, endpoint: host ? { host, port: Number(port), password: readPassword(folder) } : undefined }
}

/**
 * Whether process `pid` is the Postgres of `folder`. After a crash the number may have gone to anybody, and in a container
 * that shares the folder with another one it means somebody else from the start.
 */
export function isPostmasterOf(folder: string, pid: number): boolean {
  if (process.platform === 'linux') {
    try {
      // Postgres works inside its data folder.
      return readlinkSync(`/proc/${pid}/cwd`) === folder
    } catch {
      return false
    }
  }
  try {
    process.kill(pid, 0)
    if (process.platform === 'win32') return true
    return (
      path.basename(execFileSync('ps', ['-o', 'comm=', '-p', String(pid)], { encoding: 'utf8' }).trim()) === 'postgres'
    )
  } catch {
    return false
  }
}

/** Forgets a Postgres that is gone. Postgres itself does so too, unless its number now belongs to a living process. */
export function removePostmasterFile(folder: string, pid: number): void {
  if (readPostmaster(folder)?.pid === pid) rmSync(path.join(folder, 'postmaster.pid'), { force: true })
}

export type StartOptions = { folder: string; logFile: string; binaries: Binaries; user: RunAs }

/**
 * Starts Postgres in a session of its own: Ctrl-C in the terminal reaches the server, which drains, and not its database; and it
 * lives on when the server dies, to be adopted by the next one. What it has to say goes to a file for the same reason.
 */
export function startPostmaster(options: StartOptions, listen: Readonly<Record<string, string>>): ChildProcess {
  const { folder, logFile, binaries, user } = options
  const log = openLog(logFile, user)
  const flags = Object.entries({ ...settings, ...listen }).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const [program = '', ...args] = [...lock(folder), binaries.program('postgres'), '-D', folder, ...flags]
  try {
    const child = user.start(program, args, {
      env: binaries.env,
      stdio: ['ignore', log, log],
      detached: true,
    })
    child.unref()
    return child
  } finally {
    closeSync(log)
  }
}

// Postgres tells by process ids whether another one is at work here, and these mean nothing in another container or on another
// machine that mounts the same folder. A lock on a file does: all processes of that Postgres hold it, and it ends with the last.
function lock(folder: string): string[] {
  const program = ['/usr/bin/flock', '/bin/flock'].find((file) => existsSync(file))
  if (process.platform !== 'linux' || !program) return []
  return [
    program,
    '--nonblock',
    '--no-fork',
    '--conflict-exit-code',
    String(lockedStatus),
    path.join(folder, 'latchkey.lock'),
  ]
}

function openLog(file: string, user: RunAs): number {
  let log = openSync(file, 'a', 0o600)
  if (fstatSync(log).size > longestLogBytes) {
    closeSync(log)
    renameSync(file, `${file}.old`)
    log = openSync(file, 'a', 0o600)
  }
  user.give(file)
  return log
}

/** Stops Postgres, and waits until it is gone: open transactions are rolled back, what was committed is on disk. */
export async function stopPostmaster({ folder, binaries, user }: StartOptions, pid: number): Promise<void> {
  if (process.platform === 'win32') {
    user.start(binaries.program('pg_ctl'), ['stop', '-D', folder, '-m', 'fast', '-W'], { stdio: 'ignore' })
  } else {
    process.kill(pid, 'SIGINT')
  }
  while (isPostmasterOf(folder, pid) && readPostmaster(folder)?.pid === pid) await sleep(shutdownPollMs)
}

/** How much the log file says so far, in bytes. */
export const logLength = (logFile: string): number => statSync(logFile, { throwIfNoEntry: false })?.size ?? 0

/** What the log file says last beyond its first `from` bytes, without times and without saying anything twice: for an error. */
export function lastLogLines(logFile: string, from: number): string {
  const all = readIfThere(logFile) ?? Buffer.alloc(0)
  // It is shorter than before when it has grown too long meanwhile and was begun anew.
  const said = all.subarray(all.length < from ? 0 : from).toString()
  const lines = said.trim().split('\n').slice(-10)
  return [...new Set(lines.map((line) => line.replace(/^[\d-]+ [\d:.]+ \w+ \[\d+\] /, '')))].join(' | ')
}

function readIfThere(file: string): Buffer | undefined {
  try {
    return readFileSync(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
