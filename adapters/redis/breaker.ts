/** Spares requests the wait for a Redis that is silent: while it is, one command in two seconds tries it and all others fail at once. */

const isTimeout = (error: unknown): boolean => error instanceof Error && error.message === 'Command timed out'

const pauseMs = 2_000

export type Breaker = <T>(command: () => Promise<T>) => Promise<T>

/** Gives what the command gives, or rejects as it does; a command that is not sent rejects too. */
export function createBreaker(): Breaker {
  let isSilent = false
  let isTrying = false
  // By the process's own steady clock. A single command that timed out is followed by a trial without a pause.
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
      // A refusal is an answer.
      isSilent = isTimeout(error)
      if (isTrial) triedAt = performance.now()
      throw error
    } finally {
      if (isTrial) isTrying = false
    }
  }
}
