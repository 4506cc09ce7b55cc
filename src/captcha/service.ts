/** A proof of work instead of a puzzle: signed, for one interaction, valid once for two minutes. */
import { createHash } from 'node:crypto'
import type { Challenge, Payload } from 'altcha-lib'
import { createChallenge, verifySolution } from 'altcha-lib'
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2'
import type { Clock } from '../clock.ts'
import type { Queryable } from '../database/database.ts'
import type { Random } from '../random.ts'
import * as repository from './repository.ts'

type Deps = {
  db: Queryable
  /** 32 bytes each. */
  signatureKey: Buffer
  solutionKey: Buffer
  clock: Clock
  random: Random
}

export type Captcha = ReturnType<typeof createCaptcha>

const lifetimeMs = 2 * 60_000
const longestSolution = 4000
const sweepBatchSize = 1000
/** About a second on one core of a phone, for every attempt. */
const work = { algorithm: 'PBKDF2/SHA-256', cost: 1000, minSteps: 1000, mostSteps: 3000 } as const

export function createCaptcha({ db, signatureKey, solutionKey, clock, random }: Deps) {
  const keys = {
    hmacSignatureSecret: signatureKey.toString('base64url'),
    hmacKeySignatureSecret: solutionKey.toString('base64url'),
  }
  const bindingOf = (interaction: string) =>
    createHash('sha256').update(`latchkey captcha\0${interaction}`).digest('base64url')

  function read(text: string): Payload | undefined {
    try {
      const { challenge, solution } = JSON.parse(Buffer.from(text, 'base64').toString()) as Payload
      // Rebuilt, so that unsigned properties are dropped.
      return {
        challenge: { parameters: { ...challenge.parameters }, signature: String(challenge.signature) },
        solution,
      }
    } catch {
      // Not JSON, or without a challenge: the widget did not write it.
      return undefined
    }
  }

  // The library gives `verified: false` for a malformed solution. It throws only because of a
  // defect.
  const isSolved = async ({ challenge, solution }: Payload): Promise<boolean> =>
    (await verifySolution({ challenge, solution, deriveKey, ...keys })).verified

  return {
    /** A new challenge for this interaction, in the widget's format. */
    create: (interaction: string): Promise<Challenge> =>
      createChallenge({
        algorithm: work.algorithm,
        cost: work.cost,
        counter: random.integer(work.minSteps, work.mostSteps),
        deriveKey,
        // Checked with the server's clock: the library uses its own.
        data: { until: clock.now() + lifetimeMs, binding: bindingOf(interaction) },
        ...keys,
      }),

    /**
     * Returns whether the solution is valid for this interaction, in time and unspent, and spends
     * it. Rejects when the database is unavailable, so that an outage skips no CAPTCHA.
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

    /** Deletes expired spent challenges. Returns their number. */
    sweep: (): Promise<number> => repository.sweep(db, clock.now(), sweepBatchSize),
  }
}
