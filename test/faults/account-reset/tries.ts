/**
 * Many tries of one race, a few at once, each with its own account. Counts which of them went
 * wrong, and how.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { StartedProcess } from '../../support/processes.ts'
import { waitFor } from '../../support/wait.ts'
import type { Person, Setup } from './setup.ts'

export const times = 50
/** For tests in which nothing is in progress, or in which each try starts a process. */
export const few = 10
export const operated = 3
const atOnce = 5

/** `attackAt` and `resetAt` are different processes. */
export type Try = Readonly<{ index: number; attackAt: StartedProcess; resetAt: StartedProcess }>
/** Forbidden outcomes by name: true where one occurred. */
type Wrongs<Name extends string> = Readonly<Record<Name, boolean>>

/** Returns the result of each try. */
export async function runTries<T>(
  { servers, clearFailedLogins }: Setup,
  count: number,
  work: (one: Try) => Promise<T>,
) {
  const results: T[] = []
  let next = 0
  let hasFailed = false
  async function runSome() {
    while (next < count && !hasFailed) {
      const index = next
      next += 1
      const [attackAt, resetAt] = [servers[index % 2]!, servers[(index + 1) % 2]!]
      await clearFailedLogins()
      results[index] = await work({ index, attackAt, resetAt }).catch((error) => {
        hasFailed = true
        throw error
      })
    }
  }
  // The next test starts after the last request of this one is answered.
  const ends = await Promise.allSettled(Array.from({ length: atOnce }, runSome))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
  return results
}

/** How many of `count` tries show each wrong outcome. */
export async function countWrongs<Name extends string>(
  setup: Setup,
  count: number,
  work: (one: Try) => Promise<Wrongs<Name>>,
): Promise<Record<Name, number>> {
  return sumWrongs(await runTries(setup, count, work))
}

export function sumWrongs<Name extends string>(results: readonly Wrongs<Name>[]): Record<Name, number> {
  const names = Object.keys(results[0] ?? {}) as Name[]
  const entries = names.map((name) => [name, results.filter((result) => result[name]).length])
  return Object.fromEntries(entries) as Record<Name, number>
}

/**
 * Both start at about the same time: the attack from 40 ms before the reset to 40 ms after it, by
 * the number of the try.
 */
export async function race({ index }: Try, attacks: readonly (() => Promise<unknown>)[], reset: () => Promise<void>) {
  const lateMs = ((index * 17) % 81) - 40
  const after = async (ms: number, work: () => Promise<unknown>) => {
    if (ms > 0) await sleep(ms)
    await work()
  }
  await Promise.all([after(-lateMs, reset), ...attacks.map((attack) => after(lateMs, attack))])
}

const followed = (promise: Promise<unknown>) => {
  const one = { promise, isDone: false }
  const note = () => {
    one.isDone = true
  }
  promise.then(note, note)
  return one
}

/**
 * Every request has been admitted and waits for the account's row, or has ended. Then the reset
 * gets the row first.
 */
async function raceForRow(
  setup: Setup,
  person: Person,
  attacks: readonly (() => Promise<unknown>)[],
  reset: () => Promise<void>,
) {
  const row = await setup.lockAccount(person)
  const requests = [followed(reset())]
  const doWait = async () => (await row.waiting()) >= requests.filter(({ isDone }) => !isDone).length
  // A request may wait for something else in its process. The race is then less sharp, but still
  // valid. A question that failed is the cause of the error.
  const allWait = () =>
    waitFor(doWait, { timeoutMs: 2000 }).catch((error: Error) => {
      if (error.cause !== undefined) throw error
    })
  try {
    await allWait()
    requests.push(...attacks.map((attack) => followed(attack())))
    await allWait()
  } finally {
    await row.release()
  }
  await Promise.all(requests.map(({ promise }) => promise))
}

/**
 * Half of the tries by time, half by the order in which they get the account's row; each at both
 * processes.
 */
export async function raceEitherWay(
  setup: Setup,
  one: Try,
  person: Person,
  attacks: readonly (() => Promise<unknown>)[],
  reset: () => Promise<void>,
): Promise<void> {
  if (one.index % 4 < 2) await race(one, attacks, reset)
  else await raceForRow(setup, person, attacks, reset)
}
