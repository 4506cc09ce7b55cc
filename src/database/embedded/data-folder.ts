/**
 * Creates the data folder: `initdb` beside it, then one rename, so that it is complete or absent.
 */
import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import type { Binaries } from './binaries.ts'
import { embeddedFailed } from './errors.ts'
import type { RunAs, Users } from './run-as.ts'

// The locale of Postgres' own: the same order of texts on every machine.
const locale = ['--encoding=UTF8', '--locale-provider=builtin', '--locale=C', '--builtin-locale=C.UTF-8']

type Access = { args: readonly string[]; finish: (folder: string) => void; abandon: () => void }

export type DataFolderOptions = {
  folder: string
  binaries: Binaries
  users: Users
  /**
   * Access control: the arguments of initdb, and what to do with the folder after success or
   * failure.
   */
  access: (maker: RunAs) => Access
  /** False when data may be lost in a crash of the machine: tests. */
  isSynced?: boolean
}

/**
 * Does nothing when `folder` is already a data folder. Throws `embedded_database_failed` with the
 * output of initdb.
 */
export async function makeDataFolder({ folder, binaries, users, access, isSynced = true }: DataFolderOptions) {
  if (existsSync(path.join(folder, 'PG_VERSION'))) return
  removeLeftovers(folder)
  const { maker, user } = users
  const beside = mkdtempSync(`${folder}.init-${process.pid}-`)
  maker.makeFolder(beside)
  const { args, finish, abandon } = access(maker)
  const flags = [
    '-D',
    beside,
    '-U',
    'postgres',
    ...args,
    ...locale,
    '--no-instructions',
    ...(isSynced ? [] : ['--no-sync']),
  ]
  const { status, output } = await outcome(
    maker.start(binaries.program('initdb'), flags, {
      env: binaries.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  )
  try {
    if (status !== 0) throw embeddedFailed({ params: { folder, log: '-', detail: output.trim() } })
    finish(beside)
    if (user !== maker) user.changeOwner(beside)
    renameSync(beside, folder)
  } catch (error) {
    abandon()
    rmSync(beside, { recursive: true, force: true })
    // Another process created it meanwhile, and its folder is used.
    if (!existsSync(path.join(folder, 'PG_VERSION'))) throw error
  }
}

/**
 * Resolves with the exit status (undefined when it could not be started or was killed) and the
 * whole output.
 */
async function outcome(child: ChildProcess): Promise<{ status: number | undefined; output: string }> {
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += String(chunk)))
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ status: undefined, output: `${output}${error.message}` }))
    child.on('close', (status) => resolve({ status: status ?? undefined, output }))
  })
}

// Folders that an interrupted first start left. Its process id is in the name.
function removeLeftovers(folder: string) {
  const parent = path.dirname(folder)
  const prefix = `${path.basename(folder)}.init-`
  for (const name of readdirSync(parent).filter((file) => file.startsWith(prefix))) {
    if (!isRunning(Number.parseInt(name.slice(prefix.length), 10)))
      rmSync(path.join(parent, name), { recursive: true, force: true })
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
