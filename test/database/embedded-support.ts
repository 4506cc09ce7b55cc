/** Processes and folders for the tests of `src/database/embedded/`. */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, readlinkSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { EmbeddedOptions } from '../../src/database/embedded/index.ts'
import { createTestFolder } from '../support/folders.ts'
import { waitFor } from '../support/wait.ts'
import { watchProcess } from '../support/watchdog.ts'

export type Answer = {
  url?: string
  closed?: string
  interrupted?: boolean
  code?: string
  params?: Record<string, unknown>
}

export type Holder = {
  child: ChildProcess
  /** The next message of the process. */
  next: () => Promise<Answer>
  /** Releases the database in order. Returns 'stopped' or 'left running'. */
  close: () => Promise<string | undefined>
  /** kill -9. */
  kill: () => Promise<void>
}

export const isRoot = process.getuid?.() === 0
const script = fileURLToPath(import.meta.resolve('./holder.ts'))

/** Starts a holder in its own process group, as a terminal does. `uid` runs it as another user. */
export function startHolder(options: EmbeddedOptions, { uid }: { uid?: number } = {}): Holder {
  const child = spawn(process.execPath, [script, JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
    ...(uid === undefined ? {} : { uid, gid: uid }),
  })
  watchProcess(child)
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  const next = async () => JSON.parse((await lines.next()).value ?? '{}') as Answer
  return {
    child,
    next,
    close: async () => {
      child.stdin?.write('close\n')
      const { closed } = await next()
      await exited
      return closed
    },
    kill: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}

const folders: string[] = []

/** A path for a data folder that does not exist yet. */
export function createDataPath(name = 'postgres'): string {
  const folder = path.join(createTestFolder(), name)
  folders.push(folder)
  return folder
}

/** After each test: ends the processes in its folders. Postgres ends when its folder is gone. */
export async function endEverything(): Promise<void> {
  for (const folder of folders.splice(0)) {
    const pid = pidOf(folder)
    if (!isRunning(folder, pid)) continue
    process.kill(pid, 'SIGQUIT')
    await waitFor(() => !isRunning(folder, pid), { what: 'the end of Postgres' })
  }
}

/** The process id in postmaster.pid; 0 when there is none. */
export function pidOf(folder: string): number {
  const file = path.join(folder, 'postmaster.pid')
  return existsSync(file) ? Number(readFileSync(file, 'utf8').split('\n')[0]) : 0
}

/** Whether `pid` is the Postgres of `folder`. */
export function isRunning(folder: string, pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === folder
  } catch {
    // The process has ended.
    return false
  }
}
