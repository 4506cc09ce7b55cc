/**
 * Hashes and verifies passwords with Argon2id (RFC 9106), within the pool, at the same price whether or not there is anything to verify; and
 * verifies what another system hashed, once.
 */
import { randomBytes } from 'node:crypto'
import argon2 from 'argon2'
import { Gauge, Histogram } from 'prom-client'
import type { Metrics } from '../metrics.ts'
import type { ForeignHash, HashProblem } from './foreign.ts'
import { readForeignHash } from './foreign.ts'
import { normalizePassword } from './policy.ts'
import { createPool } from './pool.ts'

export type PasswordHasher = {
  /** A PHC string. Throws passwordNotText, passwordTooLong (both before hashing) and hashingBusy. */
  hash: (password: string) => Promise<string>
  /**
   * `hash` undefined, or of a kind that is not known here: the same work against a decoy, and no match. `needsRehash` only after a match:
   * the settings ask for more than the hash has, or it is another system's. Throws as `hash` does.
   */
  verify: (password: string, hash: string | undefined) => Promise<{ matches: boolean; needsRehash: boolean }>
}

type Cost = { memoryKiB: number; iterations: number; parallelism: number }
type Deps = Cost & { slots: number; queue: number; metrics: Metrics }

export function createPasswordHasher({ slots, queue, metrics, ...cost }: Deps): PasswordHasher {
  const pool = createPool({ slots, queue })
  const decoy = decoyFor(cost)
  const durations = measure(metrics, pool)
  let usualMs: number | undefined

  const timed = <T>(work: () => Promise<T>): Promise<T> =>
    pool.run(async () => {
      const end = durations.startTimer()
      try {
        return await work()
      } finally {
        end()
      }
    })

  async function hash(password: string): Promise<string> {
    const normalized = normalizePassword(password)
    const { memoryKiB: memoryCost, iterations: timeCost, parallelism } = cost
    const options = { type: argon2.argon2id, memoryCost, timeCost, parallelism } as const
    return timed(() => atFullCost(() => argon2.hash(normalized, options)))
  }

  /** Argon2id at today's cost, whose time is what every answer should take. */
  async function atFullCost<T>(work: () => Promise<T>): Promise<T> {
    const began = performance.now()
    const result = await work()
    const tookMs = performance.now() - began
    usualMs = usualMs === undefined ? tookMs : usualMs + (tookMs - usualMs) / 8
    return result
  }

  /** What another system's hash costs less than ours is spent on a decoy, so that it does not answer sooner. Time goes with memory. */
  async function verifyForeign(foreign: ForeignHash, normalized: string): Promise<boolean> {
    const began = performance.now()
    const matches = await foreign.matches(normalized)
    const left = usualMs === undefined ? 1 : 1 - (performance.now() - began) / usualMs
    const memoryKiB = Math.max(8 * cost.parallelism, Math.round(cost.memoryKiB * left))
    await argon2.verify(decoyFor({ ...cost, memoryKiB }), normalized)
    return matches
  }

  async function verify(password: string, hash: string | undefined) {
    const normalized = normalizePassword(password)
    const stored = hash === undefined ? undefined : costOf(hash)
    if (hash !== undefined && stored) {
      const isOld = isCheaper(stored, cost)
      const work = () => argon2.verify(hash, normalized)
      const matches = await timed(() => (isOld ? work() : atFullCost(work)))
      return { matches, needsRehash: matches && isOld }
    }
    const foreign = hash === undefined ? 'hash_unknown' : readForeignHash(hash)
    if (typeof foreign !== 'string') {
      const matches = await timed(() => verifyForeign(foreign, normalized))
      return { matches, needsRehash: matches }
    }
    await timed(() => atFullCost(() => argon2.verify(decoy, normalized)))
    return { matches: false, needsRehash: false }
  }

  return { hash, verify }
}

// A hash of nothing: random bytes in place of a result cost the same to compare with, and no password gives them.
function decoyFor({ memoryKiB, iterations, parallelism }: Cost): string {
  const bytes = (length: number) => randomBytes(length).toString('base64').replaceAll('=', '')
  return `$argon2id$v=19$m=${memoryKiB},t=${iterations},p=${parallelism}$${bytes(16)}$${bytes(32)}`
}

// The parameters stand in any order: the reference implementation and the package write them differently.
function costOf(hash: string): Cost | undefined {
  const stated = /^\$argon2id\$v=19\$((?:[mtp]=\d{1,8},?){3})\$[\w+/]{11,}\$[\w+/]{16,}$/.exec(hash)?.[1]
  const parameters = new Map(stated?.split(',').map((parameter) => [parameter[0], Number(parameter.slice(2))]))
  const [memoryKiB, iterations, parallelism] = [parameters.get('m'), parameters.get('t'), parameters.get('p')]
  return memoryKiB && iterations && parallelism ? { memoryKiB, iterations, parallelism } : undefined
}

// As libsodium's "moderate" hash has it, with room; "sensitive" takes a gigabyte.
const mostImported = { memoryKiB: 262_144, work: 1_048_576 }

/** Why a hash from elsewhere cannot be taken; undefined when it can. */
export function problemOfImportedHash(hash: string): HashProblem | undefined {
  const own = costOf(hash)
  if (own) {
    const { memoryKiB, iterations, parallelism } = own
    // RFC 9106 §3.1: eight KiB for each lane.
    if (memoryKiB < 8 * parallelism || parallelism > 255) return 'hash_unknown'
    const isDear = memoryKiB > mostImported.memoryKiB || memoryKiB * iterations > mostImported.work
    return isDear ? 'hash_too_dear' : undefined
  }
  const foreign = readForeignHash(hash)
  return typeof foreign === 'string' ? foreign : undefined
}

const isCheaper = (stored: Cost, wanted: Cost): boolean =>
  stored.memoryKiB < wanted.memoryKiB ||
  stored.iterations < wanted.iterations ||
  stored.parallelism < wanted.parallelism

function measure(metrics: Metrics, pool: { waiting: () => number; running: () => number }) {
  new Gauge({
    name: 'latchkey_password_hash_waiting',
    help: 'Passwords that wait for a slot to be hashed',
    registers: [metrics],
    collect() {
      this.set(pool.waiting())
    },
  })
  new Gauge({
    name: 'latchkey_password_hash_running',
    help: 'Passwords that are being hashed',
    registers: [metrics],
    collect() {
      this.set(pool.running())
    },
  })
  return new Histogram({
    name: 'latchkey_password_hash_seconds',
    help: 'How long one password hash takes, without waiting',
    buckets: [0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2],
    registers: [metrics],
  })
}
