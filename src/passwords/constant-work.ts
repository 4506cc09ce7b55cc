/**
 * Makes every verification as slow as the most expensive hash in use, with decoy work.
 * docs/decisions/0099
 */
import { randomBytes } from 'node:crypto'

export type Cost = Readonly<{ memoryKiB: number; iterations: number; parallelism: number }>
/** Verifies a hash of any kind. Returns false for an unreadable hash. */
export type Compute = (hash: string, normalized: string) => Promise<boolean>

type Deps = { own: Cost; compute: Compute; monotonicMs: () => number }
type MeasuredCost = { decoy: string; key: string; usualMs: number | undefined }

export function createConstantWork({ own, compute, monotonicMs }: Deps) {
  const today: MeasuredCost = measured(decoyFor(own))
  const known = new Map([[today.key, today]])
  let dearest = today

  /** Runs a hash of this cost and updates its average time, which depends on the load. */
  async function runAs<T>(cost: MeasuredCost, work: () => Promise<T>): Promise<T> {
    const began = monotonicMs()
    const result = await work()
    const tookMs = monotonicMs() - began
    cost.usualMs = cost.usualMs === undefined ? tookMs : cost.usualMs + (tookMs - cost.usualMs) / 8
    return result
  }

  async function calibrate(cost: MeasuredCost): Promise<number> {
    if (cost.usualMs === undefined) await runAs(cost, () => compute(cost.decoy, ''))
    return cost.usualMs ?? 0
  }

  /**
   * Computes Argon2id decoys until `endMs`. The last one uses less memory, because time is
   * proportional to memory.
   */
  async function fillUntil(endMs: number, ownMs: number, normalized: string): Promise<void> {
    for (;;) {
      const share = Math.min(1, (endMs - monotonicMs()) / ownMs)
      const memoryKiB = Math.round(own.memoryKiB * share)
      // RFC 9106 §3.1: Argon2 needs at least eight KiB for each lane.
      if (!(memoryKiB >= 8 * own.parallelism)) return
      const { iterations, parallelism } = own
      await compute(decoyFor({ memoryKiB, iterations, parallelism }), normalized)
      if (share < 1) return
    }
  }

  return {
    /** Computes a new hash at the current cost. */
    hashing: <T>(work: () => Promise<T>): Promise<T> => runAs(today, work),

    /** `hash` is undefined when no hash can match. */
    verify: async (hash: string | undefined, normalized: string): Promise<boolean> => {
      const target = dearest
      if (hash === undefined) return runAs(target, () => compute(target.decoy, normalized)).then(() => false)
      if (keyOf(hash) === target.key) return runAs(target, () => compute(hash, normalized))
      const [targetMs, ownMs] = [await calibrate(target), await calibrate(today)]
      const began = monotonicMs()
      const matches = await compute(hash, normalized)
      await fillUntil(began + targetMs, ownMs, normalized)
      return matches
    },

    /**
     * Measures these hashes and the current cost. Later verifications take as long as the slowest.
     */
    learn: async (decoys: readonly string[]): Promise<void> => {
      let slowest = today
      let slowestMs = decoys.length > 0 ? await calibrate(today) : 0
      for (const decoy of decoys) {
        const cost = known.get(keyOf(decoy)) ?? measured(decoy)
        known.set(cost.key, cost)
        const ms = await calibrate(cost)
        if (ms > slowestMs) [slowest, slowestMs] = [cost, ms]
      }
      dearest = slowest
    },
  }
}

const measured = (decoy: string): MeasuredCost => ({ decoy, key: keyOf(decoy), usualMs: undefined })

/**
 * Hashes with the same key cost the same. The key has no salt, and only the length of the result.
 */
const keyOf = (hash: string): string => {
  const own = costOf(hash)
  if (own) return `argon2id ${own.memoryKiB} ${own.iterations} ${own.parallelism}`
  if (hash.startsWith('$2')) return hash.slice(4, 6)
  const parts = hash.split('$')
  return [...parts.slice(0, -2), parts.at(-1)?.length].join('$')
}

const base64 = (length: number) => randomBytes(length).toString('base64').replaceAll('=', '')

// Random bytes instead of a result: the comparison costs the same and no password matches.
const decoyFor = ({ memoryKiB, iterations, parallelism }: Cost): string =>
  `$argon2id$v=19$m=${memoryKiB},t=${iterations},p=${parallelism}$${base64(16)}$${base64(32)}`

/** A decoy as expensive as hashes with this beginning. `resultLength` is in characters. */
export const decoyLike = (beginning: string, resultLength: number): string =>
  beginning.startsWith('$2')
    ? `${beginning}$CCCCCCCCCCCCCCCCCCCCC.${base64(24).replaceAll('+', '.').slice(0, 31)}`
    : `${beginning}$${base64(16)}$${base64(64).slice(0, resultLength)}`

// In any order: the reference implementation and the package order the parameters differently.
export function costOf(hash: string): Cost | undefined {
  const stated = /^\$argon2id\$v=19\$((?:[mtp]=\d{1,8},?){3})\$[\w+/]{11,}\$[\w+/]{16,}$/.exec(hash)?.[1]
  const parameters = new Map(stated?.split(',').map((parameter) => [parameter[0], Number(parameter.slice(2))]))
  const [memoryKiB, iterations, parallelism] = [parameters.get('m'), parameters.get('t'), parameters.get('p')]
  return memoryKiB && iterations && parallelism ? { memoryKiB, iterations, parallelism } : undefined
}
