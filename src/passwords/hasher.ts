/**
 * Hashes and verifies passwords with Argon2id (RFC 9106) in the pool, and verifies other systems'
 * hashes. A missing hash costs the same time as a wrong password.
 */
import argon2 from 'argon2'
import { Counter, Gauge, Histogram } from 'prom-client'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { normalizePassword } from './composition-rules.ts'
import type { Compute, Cost } from './constant-work.ts'
import { costOf, createConstantWork, decoyLike } from './constant-work.ts'
import type { HashProblem } from './imported-hash.ts'
import { readImportedHash } from './imported-hash.ts'
import type { Share } from './pool.ts'
import { createPool } from './pool.ts'

/** The IP address and account of the hash. An operator's command has neither. */
export type Requester = Readonly<{
  ip?: string | undefined
  /** The account's id, or the typed email when there is no account. */
  account?: string | undefined
}>

export type PasswordHasher = {
  /**
   * Returns a PHC string. Throws passwordNotText, passwordTooLong (before hashing), hashingBusy.
   */
  hash: (password: string, requester: Requester) => Promise<string>
  /**
   * Without a known `hash`: the same work against a decoy, and no match. Throws like `hash`.
   * `needsRehash` after a match: the settings require more, or the hash is another system's.
   */
  verify: (
    password: string,
    hash: string | undefined,
    requester: Requester,
  ) => Promise<{ matches: boolean; needsRehash: boolean }>
}

type StoredCost = Readonly<{ beginning: string; resultLength: number }>

type Deps = Cost & {
  slots: number
  queue: number
  metrics: Metrics
  /** The networks of an IP address, the narrowest first. */
  prefixesOf?: (ip: string) => readonly string[]
  /** Lists the costs of stored hashes. Without it only the current setting counts. */
  listCosts?: () => Promise<readonly StoredCost[]>
  log?: Pick<Log, 'warn'>
  /** Replaced in tests that observe the work. */
  compute?: Compute
  monotonicMs?: () => number
}

const computeHash: Compute = async (hash, normalized) => {
  if (costOf(hash)) return argon2.verify(hash, normalized)
  const foreign = readImportedHash(hash)
  return typeof foreign !== 'string' && foreign.matches(normalized)
}

export function createPasswordHasher({ slots, queue, metrics, compute = computeHash, ...rest }: Deps) {
  const { listCosts, log, monotonicMs = () => performance.now(), memoryKiB, iterations, parallelism } = rest
  const { prefixesOf = (ip: string) => [ip] } = rest
  const own: Cost = { memoryKiB, iterations, parallelism }
  const pool = createPool({ slots, queue })
  const { durations, costFailures } = measure(metrics, pool)
  const even = createConstantWork({ own, compute, monotonicMs })

  let learned = '[]'
  let readAgainAtMs = Number.NEGATIVE_INFINITY
  let first: Promise<void> | undefined
  let hasFailed = false

  const shareOf = ({ ip, account }: Requester): Share => ({
    networks: ip ? [...prefixesOf(ip)].reverse() : [],
    account,
  })

  const timed = <T>(requester: Requester, work: () => Promise<T>): Promise<T> =>
    pool.run(async () => {
      const end = durations.startTimer()
      try {
        return await work()
      } finally {
        end()
      }
    }, shareOf(requester))

  async function hash(password: string, requester: Requester = {}): Promise<string> {
    const normalized = normalizePassword(password)
    const options = { type: argon2.argon2id, memoryCost: memoryKiB, timeCost: iterations, parallelism } as const
    return timed(requester, () => even.hashing(() => argon2.hash(normalized, options)))
  }

  async function verify(password: string, hash: string | undefined, requester: Requester = {}) {
    const normalized = normalizePassword(password)
    const stored = hash === undefined ? undefined : costOf(hash)
    const foreign = hash === undefined || stored ? 'hash_unknown' : readImportedHash(hash)
    const following = follow()
    if (following) await following
    const isReadable = stored !== undefined || typeof foreign !== 'string'
    const matches = await timed(requester, () => even.verify(isReadable ? hash : undefined, normalized))
    const isOld = stored
      ? isCheaper(stored, own)
      : typeof foreign !== 'string' && isProven(normalized, foreign.maxPasswordBytes)
    return { matches, needsRehash: matches && isOld }
  }

  /** Learns the costs of stored hashes, because one may be more expensive than the current one. */
  async function learn(costs: readonly StoredCost[]): Promise<void> {
    const text = JSON.stringify(costs)
    if (text === learned) return
    await pool.run(() => even.learn(costs.map((cost) => decoyLike(cost.beginning, cost.resultLength))))
    learned = text
  }

  /** Only the first verification waits for the costs. After a failure the known costs stay. */
  function follow(): Promise<void> | undefined {
    if (!listCosts || monotonicMs() < readAgainAtMs) return first
    readAgainAtMs = monotonicMs() + readCostsEveryMs
    const reading = listCosts()
      .then(learn)
      .then(
        () => {
          hasFailed = false
        },
        (error: unknown) => {
          costFailures.inc()
          if (!hasFailed)
            log?.warn({ err: error }, 'the costs of stored passwords could not be read; those known before count')
          hasFailed = true
        },
      )
    first ??= reading.then(() => {
      first = Promise.resolve()
    })
    return first
  }

  return { hash, verify, learn }
}

/** A more expensive imported hash reveals its account by timing for at most this time. */
const readCostsEveryMs = 10_000

/** Whether a match proves the whole password, not only its first bytes. */
const isProven = (normalized: string, maxBytes = Infinity): boolean => Buffer.byteLength(normalized) < maxBytes

// Like libsodium's "moderate" hash, with a margin. "sensitive" takes a gigabyte.
const maxImported = { memoryKiB: 262_144, work: 1_048_576 }

/** Why an imported hash is refused. Undefined when it is accepted. */
export function problemOfImportedHash(hash: string): HashProblem | undefined {
  const own = costOf(hash)
  if (own) {
    const { memoryKiB, iterations, parallelism } = own
    // RFC 9106 §3.1: eight KiB for each lane.
    if (memoryKiB < 8 * parallelism || parallelism > 255) return 'hash_unknown'
    const isDear = memoryKiB > maxImported.memoryKiB || memoryKiB * iterations > maxImported.work
    return isDear ? 'hash_too_dear' : undefined
  }
  const foreign = readImportedHash(hash)
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
  const costFailures = new Counter({
    name: 'latchkey_password_cost_failures_total',
    help: 'How often the costs of stored passwords could not be read or measured',
    registers: [metrics],
  })
  const durations = new Histogram({
    name: 'latchkey_password_hash_seconds',
    help: 'How long one password hash takes, without waiting',
    buckets: [0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2],
    registers: [metrics],
  })
  return { durations, costFailures }
}
