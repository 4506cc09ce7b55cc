/** An installed program that runs in the background of a test, with its output in its folder. */
import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import path from 'node:path'
import { releasedAtEnd } from './cleanup.ts'
import type { ProgramName } from './programs.ts'
import { getProgram } from './programs.ts'
import { watchProcess } from './watchdog.ts'

type Daemon = Readonly<{ name: ProgramName; args: readonly string[]; folder: string; user?: number | undefined }>

/** Returns a function that ends it. `user` is both the user and the group. */
export function startDaemon({ name, args, folder, user }: Daemon): () => Promise<void> {
  const log = openSync(path.join(folder, 'log'), 'a')
  const child = spawn(getProgram(name), args, {
    ...(user !== undefined && { uid: user, gid: user }),
    cwd: '/',
    stdio: ['ignore', log, log],
    detached: true,
  })
  closeSync(log)
  watchProcess(child)
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  return releasedAtEnd(async () => {
    child.kill('SIGKILL')
    await ended
  })
}
