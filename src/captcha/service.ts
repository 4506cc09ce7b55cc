/** A proof of work in place of a puzzle: signed, bound to one interaction, good for two minutes and once. */
import { createHash } from 'node:crypto'
import type { Challenge, Payload } from 'altcha-lib'
import { createChallenge, randomInt, verifySolution } from 'altcha-lib'
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2'
import type { Clock } from '../clock.ts'
import type { Queryable } from '../database/database.ts'
import * as repository from './repository.ts'

type Deps = {
  db: Queryable
  /** 32 bytes each. */
  signatureKey: Buffer
  solutionKey: Buffer
  clock: Clock
}

export type Captcha = ReturnType<typeof createCaptcha>

const lifetimeMs = 2 * 60_000
const longestSolution = 4000
const sweepBatchSize = 1000
/** About a second of one core of a phone; whoever guesses pays it for every try. */
const work = { algorithm: 'PBKDF2/SHA-256', cost: 1000, minSteps: 1000, mostSteps: 3000 } as const

export function createCaptcha({ db, signatureKey, solutionKey, clock }: Deps) {
  const keys = {
    hmacSignatureSecret: signatureKey.toString('base64url'),
    hmacKeySignatureSecret: solutionKey.toString('base64url'),
  }
  const bindingOf = (interaction: string) =>
    createHash('sha256').update(`latchkey captcha\0${interaction}`).digest('base64url')

  function read(text: string): Payload | undefined {
    try {
      const { challenge, solution } = JSON.parse(Buffer.from(text, 'base64').toString()) as Payload
      // Written anew: nothing that is not signed travels along.
      return {
        challenge: { parameters: { ...challenge.parameters }, signature: String(challenge.signature) },
        solution,
      }
    } catch {
      return undefined
    }
  }

  async function isSolved({ challenge, solution }: Payload): Promise<boolean> {
    try {
      return (await verifySolution({ challenge, solution, deriveKey, ...keys })).verified
    } catch {
      // Nonsense in the shape of a solution.
      return false
    }
  }

  return {
    /** A new challenge for this interaction, as the widget reads it. */
    create: (interaction: string): Promise<Challenge> =>
      createChallenge({
        algorithm: work.algorithm,
        cost: work.cost,
        counter: randomInt(work.mostSteps, work.minSteps),
        deriveKey,
        // By our own clock: the library compares with its own.
        data: { until: clock.now() + lifetimeMs, binding: bindingOf(interaction) },
        ...keys,
      }),

    /**
     * Whether the solution is that of a challenge for this interaction, in time, and not spent before; it is then. Rejects when the database
     * is away: an outage lets nobody pass.
     */
    spend: async (solution: string | undefined, interaction: string): Promise<boolean> => {
      if (solution === undefined || solution.length > longestSolution) return false
      const payload = read(solution)
      if (!payload || !(await isSolved(payload))) return false
      const { nonce, data } = payload.challenge.parameters
      const until = Number(data?.until)
      if (data?.binding !== bindingOf(interaction) || !(until > clock.now())) return false
      return repository.spend(db, createHash('sha256').update(nonce).digest(), until)
    },

    /** Removes spent challenges that have expired; gives how many. */
    sweep: (): Promise<number> => repository.sweep(db, clock.now(), sweepBatchSize),
  }
}
