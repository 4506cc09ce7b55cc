/** A request to a child process over IPC, and its answer; one at a time. */
import type { ChildProcess } from 'node:child_process'

/** Sends `message` (or nothing) and returns the next answer. Throws when the process ends first. */
export function exchange<Answer>(child: ChildProcess, message?: string | object): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const settle = (finish: () => void) => {
      child.off('message', onMessage)
      child.off('exit', onExit)
      finish()
    }
    const onMessage = (answer: unknown) => settle(() => resolve(answer as Answer))
    const onExit = (code: number | null, signal: string | null) =>
      settle(() => reject(new Error(`process ${child.pid} ended (${code ?? signal}) instead of answering`)))
    child.on('message', onMessage)
    child.on('exit', onExit)
    if (message !== undefined) child.send(message)
  })
}
