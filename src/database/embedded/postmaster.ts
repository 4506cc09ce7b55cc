/** The running Postgres of a data folder: finding it, starting it, stopping it. */
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

/** flock's exit status when another process has the lock. */
export const lockedStatus = 75

const longestLogBytes = 5_000_000
const shutdownPollMs = 10

// For one small machine. Error lines contain neither the statement nor the row, which contain what
// users typed.
const settings = {
  max_connections: '300',
  shared_buffers: '64MB',
  log_checkpoints: 'off',
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
}

/** The content of `postmaster.pid`. `endpoint` is set as soon as Postgres listens. */
export function readPostmaster(folder: string): { pid: number; endpoint: Endpoint | undefined } | undefined {
  const lines = readIfThere(path.join(folder, 'postmaster.pid'))?.toString().split('\n')
  const pid = Number(lines?.[0])
  if (!lines || !(pid > 0)) return undefined
  const [, , , port = '', socketFolder = '', listenAddress = ''] = lines
  const host = socketFolder || listenAddress
  return { pid, endpoint: host ? { host, port: Number(port), password: readPassword(folder) } : undefined }
}

/**
 * Whether process `pid` is the Postgres of `folder`. After a crash another process may have the
 * same id. In a container that shares the folder, the id belongs to another container.
 */
export function isPostmasterOf(folder: string, pid: number): boolean {
  if (process.platform === 'linux') {
    try {
      // The working directory of Postgres is its data folder.
      return readlinkSync(`/proc/${pid}/cwd`) === folder
    } catch {
      // It has ended, or another user's process has its id.
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
    // It has ended, or another user's process has its id.
    return false
  }
}

/**
 * Removes the file of a terminated Postgres. Postgres does so too, unless another running process
 * has its id.
 */
export function removePostmasterFile(folder: string, pid: number): void {
  if (readPostmaster(folder)?.pid === pid) rmSync(path.join(folder, 'postmaster.pid'), { force: true })
}

export type StartOptions = { folder: string; logFile: string; binaries: Binaries; user: RunAs }

/**
 * Starts Postgres in its own session, so that Ctrl-C stops only the server. After a crash of the
 * server Postgres runs on and the next server joins it, so its log is a file.
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

// Postgres detects another Postgres by process id, which fails between containers or machines that
// share the folder. A file lock works: all its processes share it.
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
  user.changeOwner(file)
  return log
}

/**
 * Stops Postgres and waits until it has ended. Open transactions are rolled back; committed data is
 * on disk.
 */
export async function stopPostmaster({ folder, binaries, user }: StartOptions, pid: number): Promise<void> {
  if (process.platform === 'win32') {
    user.start(binaries.program('pg_ctl'), ['stop', '-D', folder, '-m', 'fast', '-W'], { stdio: 'ignore' })
  } else {
    process.kill(pid, 'SIGINT')
  }
  while (isPostmasterOf(folder, pid) && readPostmaster(folder)?.pid === pid) await sleep(shutdownPollMs)
}

/** The present size of the log file, in bytes. */
export const logLength = (logFile: string): number => statSync(logFile, { throwIfNoEntry: false })?.size ?? 0

/**
 * The last lines of the log after its first `from` bytes, without times and repetitions: for an
 * error message.
 */
export function lastLogLines(logFile: string, from: number): string {
  const all = readIfThere(logFile) ?? Buffer.alloc(0)
  // The file is shorter than before when it grew too long and was started again.
  const newText = all.subarray(all.length < from ? 0 : from).toString()
  const lines = newText.trim().split('\n').slice(-10)
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
