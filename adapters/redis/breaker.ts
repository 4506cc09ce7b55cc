/**
 * Avoids waiting for a Redis that does not respond: one command in two seconds tries it, and all
 * others fail at once.
 */

const isTimeout = (error: unknown): boolean => error instanceof Error && error.message === 'Command timed out'

const pauseMs = 2_000

export type Breaker = <T>(command: () => Promise<T>) => Promise<T>

/**
 * Gives the result of the command or rejects with its error; a command that is not sent rejects
 * too.
 */
export function createBreaker(): Breaker {
  let isSilent = false
  let isTrying = false
  // By the process's monotonic clock. After the first timeout the next command is a trial without
  // pause.
  let triedAt = Number.NEGATIVE_INFINITY

  return async (command) => {
    if (isSilent && (isTrying || performance.now() - triedAt < pauseMs)) throw new Error('Redis is silent')
    const isTrial = isSilent
    if (isTrial) isTrying = true
    try {
      const answer = await command()
      isSilent = false
      triedAt = Number.NEGATIVE_INFINITY
      return answer
    } catch (error) {
      // A refusal is an answer too.
      isSilent = isTimeout(error)
      if (isTrial) triedAt = performance.now()
      throw error
    } finally {
      if (isTrial) isTrying = false
    }
  }
}
