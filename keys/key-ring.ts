/**
 * The key ring of this process: the shared signing keys, in the order that the engine needs, kept
 * up to date.
 */
import { createHash } from 'node:crypto'
import type { Knex } from 'knex'
import type { Clock } from '../src/clock.ts'
import type { ChangeFeed } from '../src/database/change-feed.ts'
import type { Log } from '../src/log.ts'
import type { Algorithm, SigningJwk } from './algorithms.ts'
import { toPublicJwk } from './algorithms.ts'
import { KeyRingUnconfirmed } from './errors.ts'
import type { SigningKey } from './repository.ts'
import { listKeys } from './repository.ts'
import { findRootSecret } from './root-secret.ts'
import type { Sealer } from './sealer.ts'
import type { KeyState } from './states.ts'
import { compareKeys, isPublished } from './states.ts'

export type KeySet = Readonly<{
  /**
   * Changes with every change of a key or of its state; equal in all processes that see the same
   * ring.
   */
  version: string
  /** For the engine: the active key of each algorithm comes first. */
  privateJwks: readonly SigningJwk[]
  /** For the JWKS (RFC 7517 §5), in the same order. */
  publicJwks: readonly SigningJwk[]
  /** The configured algorithms that have an active key. */
  algorithms: readonly Algorithm[]
  /** The kids of the active keys. */
  signingKids: readonly string[]
  /** The state of each published key, in the same order. */
  publishedKeys: readonly Readonly<{
    kid: string
    algorithm: string
    state: KeyState
    activatedAt: number | undefined
  }>[]
}>

export type KeyRing = {
  current: () => KeySet
  /** Calls `listener` once with every new set. The result unsubscribes. */
  onChange: (listener: (keys: KeySet) => void) => () => void
  /**
   * Reads the ring again when the lease is over or a change was reported. Throws KeyRingUnconfirmed
   * when that fails, or when a key of `signing` (the set that signs) was removed.
   */
  confirm: (signing?: KeySet) => Promise<void>
  /** Milliseconds since `current` was last confirmed. */
  unconfirmedMs: () => number
  close: () => Promise<void>
}

type Deps = {
  knex: Knex
  changes: Pick<ChangeFeed, 'subscribe' | 'onConnectionChange'>
  sealer: Sealer
  clock: Clock
  log: Log
  /** The offered algorithms, in the order of the JWKS. */
  algorithms: readonly Algorithm[]
  /** Milliseconds between two reads of the ring, in case the change feed misses a change. */
  pollMs?: number
  leaseMs?: number
  /** Runs at each read of the ring, which waits for it. Must never reject. */
  awaitedTask?: () => Promise<void>
  /** Runs at each read of the ring, which does not wait for it. Must not throw. */
  backgroundTask?: () => Promise<unknown>
}

/**
 * How long a process may sign without reading the ring, in milliseconds. A key stays in the JWKS
 * for many times longer.
 */
export const leaseMs = 15_000

/**
 * Opens a ring that already has keys (`rotation.ts` creates them). Throws WrongMasterKey and
 * SealDamaged.
 */
export async function createKeyRing(deps: Deps): Promise<KeyRing> {
  const { knex, changes, sealer, clock, log, pollMs = 3_000 } = deps
  const lease = deps.leaseMs ?? leaseMs
  const listeners = new Set<(keys: KeySet) => void>()

  /**
   * Uses both clocks: the monotonic clock stops while the machine sleeps, and the wall clock can be
   * changed.
   */
  const readClocks = () => ({ monotonic: performance.now(), wall: clock.now() })
  let confirmed = readClocks()
  const unconfirmedMs = (): number => {
    const { monotonic, wall } = readClocks()
    return Math.max(monotonic - confirmed.monotonic, Math.abs(wall - confirmed.wall))
  }

  let runningTask: Promise<unknown> | undefined
  async function load(): Promise<KeySet> {
    const readAt = readClocks()
    runningTask = deps.backgroundTask?.()
    const [keys, marker] = await Promise.all([listKeys(knex, sealer), findRootSecret(knex), deps.awaitedTask?.()])
    if (marker) sealer.follow(marker)
    confirmed = readAt
    return toKeySet(keys, deps.algorithms)
  }

  let current = await load()
  let reading: Promise<void> | undefined
  let needsRead = false
  /** Each failure is logged once as a warning, not at every read. */
  let isFailing = false
  /** A change was reported and has not been read yet: a key may have been revoked. */
  let hasUnreadChange = false

  async function readUntilFresh(): Promise<void> {
    while (needsRead) {
      needsRead = false
      const found = await load()
      if (found.version !== current.version) {
        current = found
        for (const listener of listeners) notify(listener, found)
      }
      // A change that arrived during this read may not be in it.
      if (!needsRead) hasUnreadChange = false
    }
  }

  function notify(listener: (keys: KeySet) => void, keys: KeySet): void {
    try {
      listener(keys)
    } catch (error) {
      log.error({ err: error }, 'a listener for new keys failed')
    }
  }

  // Runs one read at a time. A change that arrives during a read causes another read.
  function refresh(): Promise<void> {
    needsRead = true
    reading ??= readUntilFresh()
      .then(() => {
        if (isFailing) log.info('key ring read again')
        isFailing = false
      })
      // Without the database the known keys continue to sign until the lease ends. The next change
      // or poll tries again.
      .catch((error) => {
        log[isFailing ? 'debug' : 'warn']({ err: error }, 'key ring not read')
        isFailing = true
      })
      .finally(() => {
        reading = undefined
      })
    return reading
  }

  const isDoubtful = (): boolean => hasUnreadChange || unconfirmedMs() > lease

  const unsubscribe = changes.subscribe('signing_key', () => {
    hasUnreadChange = true
    void refresh()
  })
  const unsubscribeMarker = changes.subscribe('root_secret', () => void refresh())
  const stopWatching = changes.onConnectionChange((isConnected) => {
    if (isConnected) void refresh()
  })
  const poll = setInterval(() => void refresh(), pollMs).unref()
  // A change between the first read and the subscription would be missed.
  void refresh()

  return {
    current: () => current,
    onChange: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    confirm: async (signing = current) => {
      if (isDoubtful()) await refresh()
      if (isDoubtful()) throw new KeyRingUnconfirmed()
      // The key was revoked during the request, so its signatures are not valid.
      const isLost = (kid: string) => !current.publicJwks.some((jwk) => jwk.kid === kid)
      if (signing !== current && signing.signingKids.some(isLost)) throw new KeyRingUnconfirmed()
    },
    unconfirmedMs,
    close: async () => {
      unsubscribe()
      unsubscribeMarker()
      stopWatching()
      clearInterval(poll)
      listeners.clear()
      await reading
      await runningTask
    },
  }
}

function toKeySet(keys: readonly SigningKey[], algorithms: readonly Algorithm[]): KeySet {
  // An algorithm that is no longer configured stays published, last: tokens that it signed are
  // still valid.
  const names: readonly string[] = algorithms
  const rank = ({ algorithm }: SigningKey) => (names.includes(algorithm) ? names.indexOf(algorithm) : Infinity)
  const published = keys
    .filter((key) => isPublished(key.state))
    .sort((one, other) => Math.sign(rank(one) - rank(other)) || compareKeys(one, other) || (one.id < other.id ? -1 : 1))
  const signing = published.filter(({ state }) => state === 'active')
  const privateJwks = published.map((key) => Object.freeze(key.privateJwk))
  const version = createHash('sha256').update(published.map((key) => `${key.id} ${key.state}\n`).join(''))
  return Object.freeze({
    version: version.digest('base64url').slice(0, 16),
    privateJwks: Object.freeze(privateJwks),
    publicJwks: Object.freeze(privateJwks.map((jwk) => Object.freeze(toPublicJwk(jwk)))),
    algorithms: Object.freeze(algorithms.filter((one) => signing.some(({ algorithm }) => algorithm === one))),
    signingKids: Object.freeze(signing.map(({ kid }) => kid)),
    publishedKeys: Object.freeze(
      published.map(({ kid, algorithm, state, activatedAt }) => ({ kid, algorithm, state, activatedAt })),
    ),
  })
}
