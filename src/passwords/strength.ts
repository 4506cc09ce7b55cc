/**
 * Estimates the guesses for a password (zxcvbn) in one thread, which is started at the first call
 * and ends when idle.
 */
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { Log } from '../log.ts'
import { createPool } from './pool.ts'
import { spellingsOf } from './spellings.ts'

/** `unjudged`: the thread failed or timed out, so only the other rules apply. */
export type StrengthVerdict = 'guessable' | 'good' | 'unjudged'
export type StrengthEstimator = ReturnType<typeof createStrengthEstimator>

type Deps = {
  log: Pick<Log, 'warn'>
  file?: string
  /** Timeouts for loading the lists and for one answer: far more than a busy machine needs. */
  loadLimitMs?: number
  limitMs?: number
  /** After this idle time the thread ends and its memory is released. */
  idleMs?: number
  queue?: number
}

const minGuesses = 1e8
/** More code points only take time: a good password is already recognised. */
const maxCodePoints = 64
const threadFile = fileURLToPath(new URL('./strength-thread.ts', import.meta.url))

export function createStrengthEstimator({ log, file = threadFile, queue = 32, ...limits }: Deps) {
  const { loadLimitMs = 30_000, limitMs = 10_000, idleMs = 60_000 } = limits
  const pool = createPool({ slots: 1, queue })
  let worker: Worker | undefined
  let idle: NodeJS.Timeout | undefined

  function end(): void {
    void worker?.terminate()
    worker = undefined
  }

  /** Only one request is sent at a time, so the next message is its answer. */
  function answerOf(asked: Worker, withinMs: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => finish(() => reject(new Error('too slow'))), withinMs)
      const onMessage = (message: unknown) => finish(() => resolve(message))
      const onError = (error: unknown) => finish(() => reject(error))
      const onExit = () => finish(() => reject(new Error('ended')))
      function finish(outcome: () => void) {
        clearTimeout(timer)
        asked.off('message', onMessage).off('error', onError).off('exit', onExit)
        outcome()
      }
      asked.on('message', onMessage).on('error', onError).on('exit', onExit)
    })
  }

  async function ready(): Promise<Worker> {
    if (worker) return worker
    const made = new Worker(file, { execArgv: [], resourceLimits: { maxOldGenerationSizeMb: 256 } })
    worker = made
    made.unref()
    // Without a listener, an error of an idle thread would end the process.
    made.on('error', () => {})
    made.on('exit', () => {
      if (worker === made) worker = undefined
    })
    await answerOf(made, loadLimitMs)
    return made
  }

  async function ask(texts: readonly string[]): Promise<StrengthVerdict> {
    clearTimeout(idle)
    try {
      const asked = await ready()
      for (const text of texts) {
        const answer = answerOf(asked, limitMs)
        asked.postMessage(text)
        const guesses = await answer
        if (typeof guesses !== 'number') throw new Error('no number of guesses')
        if (guesses < minGuesses) return 'guessable'
      }
      return 'good'
    } catch (error) {
      end()
      log.warn({ reason: (error as Error).message }, 'guesses for a password could not be counted')
      return 'unjudged'
    } finally {
      idle = setTimeout(end, idleMs)
      idle.unref()
    }
  }

  return {
    /** Whether any spelling needs fewer than 10^8 guesses. Throws hashingBusy if too many wait. */
    judge: (normalized: string): Promise<StrengthVerdict> =>
      pool.run(() => ask(spellingsOf(normalized).map((text) => [...text].slice(0, maxCodePoints).join('')))),
    isLoaded: (): boolean => worker !== undefined,
    close: end,
  }
}
