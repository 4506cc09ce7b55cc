/** The key ring as this process sees it: the signing keys that all share, in the order the engine needs, followed as they change. */
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
  /** Changes whenever a key or its state does; equal in every process that sees the same ring. */
  version: string
  /** For the engine: of each algorithm the key that signs comes first. */
  privateJwks: readonly SigningJwk[]
  /** For the JWKS (RFC 7517 §5), in the same order. */
  publicJwks: readonly SigningJwk[]
  /** The algorithms that are configured and have a key that signs. */
  algorithms: readonly Algorithm[]
  /** The kids of the keys that sign. */
  signingKids: readonly string[]
  /** Where each published key is in its life, in the same order. */
  lives: readonly Readonly<{ kid: string; algorithm: string; state: KeyState; activatedAt: number | undefined }>[]
}>

export type KeyRing = {
  current: () => KeySet
  /** Calls `listener` with every new set, never twice with one; the result ends that. */
  onChange: (listener: (keys: KeySet) => void) => () => void
  /**
   * Whoever signs asks first. Resolves when the ring was read within the lease and since the last change, and reads it when it was not; throws KeyRingUnconfirmed when it
   * cannot be read: another process may have replaced or removed the key meanwhile. `signing`: the set with which was or will be signed.
   */
  confirm: (signing?: KeySet) => Promise<void>
  /** Milliseconds since the ring was last known to be as `current` says. */
  unconfirmedMs: () => number
  close: () => Promise<void>
}

type Deps = {
  knex: Knex
  changes: Pick<ChangeFeed, 'subscribe' | 'onConnectionChange'>
  sealer: Sealer
  clock: Clock
  log: Log
  /** Those that are offered, in the order of the JWKS. */
  algorithms: readonly Algorithm[]
  /** The net under the change feed, in milliseconds. */
  pollMs?: number
  leaseMs?: number
  /** What else a process asks of the database now and then: done at each read of the ring. Never rejects. */
  onHeartbeat?: () => Promise<void>
  /** What else a process does at each read of the ring, which does not wait for it. Must not throw. */
  heartbeat?: () => Promise<unknown>
}

/** How long a process signs without having read the ring, in milliseconds. Nothing leaves the JWKS by itself before many such times. */
export const leaseMs = 15_000

/** Opens the ring, which has keys already (`rotation.ts`). Throws WrongMasterKey and SealDamaged. */
export async function createKeyRing(deps: Deps): Promise<KeyRing> {
  const { knex, changes, sealer, clock, log, pollMs = 3_000 } = deps
  const lease = deps.leaseMs ?? leaseMs
  const listeners = new Set<(keys: KeySet) => void>()

  /** By both clocks: the machine's own does not go on while it sleeps, and the wall clock can be turned. */
  const moment = () => ({ monotonic: performance.now(), wall: clock.now() })
  let confirmed = moment()
  const unconfirmedMs = (): number => {
    const { monotonic, wall } = moment()
    return Math.max(monotonic - confirmed.monotonic, Math.abs(wall - confirmed.wall))
  }

  let heartbeat: Promise<unknown> | undefined
  async function load(): Promise<KeySet> {
    const asked = moment()
    heartbeat = deps.heartbeat?.()
    const [keys, marker] = await Promise.all([listKeys(knex, sealer), findRootSecret(knex), deps.onHeartbeat?.()])
    if (marker) sealer.follow(marker)
    confirmed = asked
    return toKeySet(keys, deps.algorithms)
  }

  let current = await load()
  let reading: Promise<void> | undefined
  let isStale = false
  /** Told once, not at every look. */
  let isFailing = false
  /** Told of a change that has not been read yet: a key may have been revoked. */
  let isSuspect = false

  async function readUntilFresh(): Promise<void> {
    while (isStale) {
      isStale = false
      const found = await load()
      if (found.version !== current.version) {
        current = found
        for (const listener of listeners) notify(listener, found)
      }
      // A change that arrived during this read may not be in it.
      if (!isStale) isSuspect = false
    }
  }

  function notify(listener: (keys: KeySet) => void, keys: KeySet): void {
    try {
      listener(keys)
    } catch (error) {
      log.error({ err: error }, 'new keys not taken over')
    }
  }

  // One read at a time; a change that arrives while one is under way is followed by another.
  function refresh(): Promise<void> {
    isStale = true
    reading ??= readUntilFresh()
      .then(() => {
        if (isFailing) log.info('key ring read again')
        isFailing = false
      })
      // The keys at hand stay while the database is away, and sign to the end of the lease; the next change or poll tries again.
      .catch((error) => {
        log[isFailing ? 'debug' : 'warn']({ err: error }, 'key ring not read')
        isFailing = true
      })
      .finally(() => {
        reading = undefined
      })
    return reading
  }

  const isDoubtful = (): boolean => isSuspect || unconfirmedMs() > lease

  const unsubscribe = changes.subscribe('signing_key', () => {
    isSuspect = true
    void refresh()
  })
  const unsubscribeMarker = changes.subscribe('root_secret', () => void refresh())
  const stopWatching = changes.onConnectionChange((isConnected) => {
    if (isConnected) void refresh()
  })
  const poll = setInterval(() => void refresh(), pollMs).unref()
  // Between the first read and the subscription a change could have slipped by.
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
      // Revoked while the request was under way: what it has signed, or was about to, is worth nothing.
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
      await heartbeat
    },
  }
}

function toKeySet(keys: readonly SigningKey[], algorithms: readonly Algorithm[]): KeySet {
  // An algorithm that is no longer configured stays published behind the others: what it signed is still around.
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
    lives: Object.freeze(
      published.map(({ kid, algorithm, state, activatedAt }) => ({ kid, algorithm, state, activatedAt })),
    ),
  })
}
