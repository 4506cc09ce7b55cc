/**
 * Postgres without an installation, for one machine and one user: the first process starts it, the
 * last one stops it.
 */
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, realpathSync, statSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../../log.ts'
import { createFailureLog } from '../../log.ts'
import type { Random } from '../../random.ts'
import { systemRandom } from '../../random.ts'
import { findBinaries } from './binaries.ts'
import { makeDataFolder } from './data-folder.ts'
import type { Endpoint, Transport } from './endpoint.ts'
import { createAccess, endpointUrl, listenSettings } from './endpoint.ts'
import { embeddedElsewhere, embeddedFailed, embeddedOtherOwner } from './errors.ts'
import type { Lease } from './lease.ts'
import { takeLease } from './lease.ts'
import type { StartOptions } from './postmaster.ts'
import {
  isPostmasterOf,
  lastLogLines,
  lockedStatus,
  logLength,
  readPostmaster,
  removePostmasterFile,
  startPostmaster,
  stopPostmaster,
} from './postmaster.ts'
import type { RunAs } from './run-as.ts'
import { findUsers } from './run-as.ts'

export type EmbeddedPostgres = {
  /** For pg: the same URL as long as this process runs, also after Postgres was restarted. */
  url: string
  /**
   * Releases this process's lease. Postgres stops when no other process has one. Close all other
   * connections first.
   */
  close: () => Promise<'stopped' | 'left running'>
}

export type EmbeddedOptions = {
  /** The data folder, created when missing. `<folder>.log` beside it is the log of Postgres. */
  folder: string
  /** How to reach Postgres. Default: what the operating system supports. */
  transport?: Transport
  random?: Random
  /** Where failed restarts are reported. */
  log?: Pick<Log, 'warn' | 'debug'>
  /** How long a start may wait without a running or starting Postgres, in milliseconds. */
  timeoutMs?: number
}

type Installation = StartOptions & { transport: Transport; timeoutMs: number }

const firstPauseMs = 10
const longestPauseMs = 250
// Longer than a statement: after kill -9 of Postgres its other processes finish theirs.
const defaultTimeoutMs = 10_000

/**
 * Starts the Postgres of `folder`, or joins the one that another process started. Restarts it when
 * needed, until `close`. Throws an error of `errors.ts`: no programs for this machine, another
 * user's folder, in use elsewhere, failed.
 */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const installation = await install(options)
  let joined = await join(installation)
  const joining = options.log && createFailureLog(options.log, 'the embedded Postgres was not started again')
  let isClosing = false

  // Postgres has terminated: the first process that notices starts it again, the others join.
  async function rejoin(): Promise<void> {
    while (!isClosing) {
      try {
        joined = await join(installation, joined.endpoint)
        joining?.succeeded()
        return watch()
      } catch (error) {
        joining?.failed(error)
        await sleep(longestPauseMs)
      }
    }
  }
  let rejoining = Promise.resolve()
  function watch() {
    void joined.lease.lost.then(() => {
      if (!isClosing) rejoining = rejoin()
    })
  }
  watch()

  async function close() {
    isClosing = true
    await rejoining
    const { lease, pid } = joined
    const isLast = await lease.release()
    const mayStop = isLast && isPostmasterOf(installation.folder, pid)
    if (mayStop) await stopPostmaster(installation, pid)
    await lease.end()
    return mayStop ? ('stopped' as const) : ('left running' as const)
  }
  return { url: endpointUrl(joined.endpoint), close }
}

async function install({
  folder: requested,
  transport,
  random = systemRandom,
  ...rest
}: EmbeddedOptions): Promise<Installation> {
  const parent = path.dirname(path.resolve(requested))
  const binaries = findBinaries({ spareFolder: path.join(parent, 'postgres-libraries') })
  try {
    mkdirSync(parent, { recursive: true })
    const target = path.join(realpathSync(parent), path.basename(requested))
    const users = findUsers({ dataFolder: target, programs: binaries.folder })
    const chosen = transport ?? (process.platform === 'win32' ? 'tcp' : 'socket')
    const access = (maker: RunAs) => createAccess(chosen, { folder: target, random, user: maker })
    await makeDataFolder({ folder: target, binaries, users, access })
    const folder = realpathSync(target)
    return {
      folder,
      logFile: `${folder}.log`,
      binaries,
      user: users.user,
      transport: chosen,
      timeoutMs: rest.timeoutMs ?? defaultTimeoutMs,
    }
  } catch (error) {
    const { code, path: deniedPath } = error as NodeJS.ErrnoException
    if (code !== 'EACCES' && code !== 'EPERM') throw error
    const owner = statSync(parent, { throwIfNoEntry: false })?.uid ?? '?'
    throw embeddedOtherOwner({
      cause: error,
      params: { folder: deniedPath ?? parent, owner, user: process.getuid?.() ?? '?' },
    })
  }
}

type RunningServer = { lease: Lease; pid: number; endpoint: Endpoint }

async function join(installation: Installation, known?: Endpoint): Promise<RunningServer> {
  const { folder, logFile, transport, user, timeoutMs } = installation
  let child: ChildProcess | undefined
  let failure: unknown
  let pauseMs = firstPauseMs
  let deadline = performance.now() + timeoutMs
  const saidBefore = logLength(logFile)

  const isStarting = () => child !== undefined && isAlive(child)
  while (isStarting() || performance.now() < deadline) {
    const running = readPostmaster(folder)
    if (running?.endpoint) {
      try {
        return { lease: await takeLease(running.endpoint), pid: running.pid, endpoint: running.endpoint }
      } catch (error) {
        failure = error
      }
    }
    const isAnotherAlive = running !== undefined && isPostmasterOf(folder, running.pid)
    if (isStarting() || isAnotherAlive) {
      deadline = performance.now() + timeoutMs
    } else {
      if (running) removePostmasterFile(folder, running.pid)
      child = startPostmaster(installation, await listenSettings(transport, { folder, user, known }))
      child.once('error', (error) => {
        failure = error
      })
    }
    await sleep(pauseMs)
    pauseMs = Math.min(pauseMs * 1.3, longestPauseMs)
  }
  if (child?.exitCode === lockedStatus) throw embeddedElsewhere({ params: { folder } })
  throw embeddedFailed({ cause: failure, params: { folder, log: logFile, detail: lastLogLines(logFile, saidBefore) } })
}

const isAlive = (child: ChildProcess): boolean =>
  child.pid !== undefined && child.exitCode === null && child.signalCode === null
