/** The key ring: the signing keys that all processes share, in the order the engine needs, followed as they change. */
import { createHash } from 'node:crypto'
import type { Knex } from 'knex'
import type { Clock } from '../src/clock.ts'
import type { ChangeFeed } from '../src/database/change-feed.ts'
import type { Transaction } from '../src/database/database.ts'
import type { Log } from '../src/log.ts'
import type { Random } from '../src/random.ts'
import type { Algorithm, SigningJwk } from './algorithms.ts'
import { generateJwk, toPublicJwk } from './algorithms.ts'
import { takeLock } from './locks.ts'
import type { SigningKey } from './repository.ts'
import { insertKey, listKeys } from './repository.ts'
import type { Sealer } from './sealer.ts'
import { compareKeys, isPublished } from './states.ts'

export type KeySet = Readonly<{
  /** Changes whenever a key or its state does; equal in every process that sees the same ring. */
  version: string
  /** For the engine: of each algorithm the key that signs comes first. */
  privateJwks: readonly SigningJwk[]
  /** For the JWKS (RFC 7517 §5), in the same order. */
  publicJwks: readonly SigningJwk[]
}>

export type KeyRing = {
  current: () => KeySet
  /** Calls `listener` with every new set, never twice with one; the result ends that. */
  onChange: (listener: (keys: KeySet) => void) => () => void
  close: () => Promise<void>
}

type Deps = {
  knex: Knex
  transaction: Transaction
  changes: Pick<ChangeFeed, 'subscribe' | 'onConnectionChange'>
  sealer: Sealer
  clock: Clock
  random: Random
  log: Log
  /** Each of these has one active key when the ring opens. */
  algorithms: readonly Algorithm[]
  /** The net under the change feed, in milliseconds. */
  pollMs?: number
}

/** Opens the ring, and makes its first keys when there are none. Throws WrongMasterKey and SealDamaged, having changed nothing. */
export async function createKeyRing(deps: Deps): Promise<KeyRing> {
  const { knex, changes, sealer, log, pollMs = 30_000 } = deps
  await makeMissingKeys(deps)

  const load = async () => toKeySet(await listKeys(knex, sealer), deps.algorithms)
  const listeners = new Set<(keys: KeySet) => void>()
  let current = await load()
  let reading: Promise<void> | undefined
  let isStale = false

  async function readUntilFresh(): Promise<void> {
    while (isStale) {
      isStale = false
      const found = await load()
      if (found.version === current.version) continue
      current = found
      for (const listener of listeners) tell(listener, found)
    }
  }

  function tell(listener: (keys: KeySet) => void, keys: KeySet): void {
    try {
      listener(keys)
    } catch (error) {
      log.error({ err: error }, 'new keys not taken over')
    }
  }

  // One read at a time; a change that arrives while one is under way is followed by another.
  function refresh(): void {
    isStale = true
    reading ??= readUntilFresh()
      // The keys at hand stay good while the database is away; the next change, reconnection or poll tries again.
      .catch((error) => log.warn({ err: error }, 'key ring not read'))
      .finally(() => {
        reading = undefined
      })
  }

  const unsubscribe = changes.subscribe('signing_key', refresh)
  const stopWatching = changes.onConnectionChange((isConnected) => {
    if (isConnected) refresh()
  })
  const poll = setInterval(refresh, pollMs).unref()
  // Between the first read and the subscription a change could have slipped by.
  refresh()

  return {
    current: () => current,
    onChange: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    close: async () => {
      unsubscribe()
      stopWatching()
      clearInterval(poll)
      listeners.clear()
      await reading
    },
  }
}

/** One active key for each algorithm, made exactly once however many processes start on an empty database. */
async function makeMissingKeys({ knex, transaction, sealer, clock, random, log, algorithms }: Deps): Promise<void> {
  const missingIn = (keys: readonly SigningKey[]) =>
    algorithms.filter((algorithm) => !keys.some((key) => key.algorithm === algorithm && key.state === 'active'))
  const missing = missingIn(await listKeys(knex, sealer))
  if (missing.length === 0) return

  // Made before the lock is taken: an RSA key takes seconds, and no transaction should be open for that long.
  const made = await Promise.all(missing.map(generateJwk))
  await transaction(async (tx) => {
    await takeLock(tx, 'keyRing')
    const stillMissing: readonly string[] = missingIn(await listKeys(tx, sealer))
    for (const privateJwk of made.filter((jwk) => stillMissing.includes(jwk.alg))) {
      const now = clock.now()
      const life = {
        state: 'active',
        createdAt: now,
        announcedAt: now,
        activatedAt: now,
        retiredAt: undefined,
      } as const
      await insertKey(tx, sealer, { id: random.id(), algorithm: privateJwk.alg, privateJwk, ...life })
      log.info({ kid: privateJwk.kid, algorithm: privateJwk.alg }, 'signing key made')
    }
  })
}

function toKeySet(keys: readonly SigningKey[], algorithms: readonly string[]): KeySet {
  // An algorithm that is no longer configured stays published behind the others: what it signed is still around.
  const rank = (key: SigningKey) => (algorithms.includes(key.algorithm) ? algorithms.indexOf(key.algorithm) : Infinity)
  const published = keys
    .filter((key) => isPublished(key.state))
    .sort((one, other) => Math.sign(rank(one) - rank(other)) || compareKeys(one, other) || (one.id < other.id ? -1 : 1))
  const privateJwks = published.map((key) => Object.freeze(key.privateJwk))
  const version = createHash('sha256').update(published.map((key) => `${key.id} ${key.state}\n`).join(''))
  return Object.freeze({
    version: version.digest('base64url').slice(0, 16),
    privateJwks: Object.freeze(privateJwks),
    publicJwks: Object.freeze(privateJwks.map((jwk) => Object.freeze(toPublicJwk(jwk)))),
  })
}
