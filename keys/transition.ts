/** The changes of the key ring within one transaction. */
import type { Knex } from 'knex'
import type { Initiator } from '../src/audit/service.ts'
import type { Clock } from '../src/clock.ts'
import type { Random } from '../src/random.ts'
import type { SigningJwk } from './algorithms.ts'
import type { SigningKey } from './repository.ts'
import { deleteKey, insertKey, moveKey } from './repository.ts'
import type { Step } from './rotation-plan.ts'
import type { Sealer } from './sealer.ts'
import type { KeyLife, KeyState } from './states.ts'

/** One change of one key. */
export type KeyChange = Readonly<{
  kid: string
  algorithm: string
  /** Undefined for a new key. */
  from: KeyState | undefined
  to: KeyState | 'removed' | 'revoked'
}>

type Deps = {
  tx: Knex.Transaction
  by: Initiator
  made: readonly SigningJwk[]
  keys: SigningKey[]
  sealer: Sealer
  clock: Clock
  random: Random
  record: (tx: Knex.Transaction, change: KeyChange, by: Initiator) => Promise<void>
}

export type Transition = ReturnType<typeof createTransition>

/** `keys` are all keys of the ring, read under its lock; `made` are new keys that may be added. */
export function createTransition({ tx, by, made, keys, sealer, clock, random, record }: Deps) {
  const changes: KeyChange[] = []
  const unused = [...made]

  async function note(
    { kid, algorithm }: Pick<SigningKey, 'kid' | 'algorithm'>,
    from: KeyChange['from'],
    to: KeyChange['to'],
  ) {
    const change = { kid, algorithm, from, to }
    changes.push(change)
    await record(tx, change, by)
  }

  async function add(algorithm: string, state: 'announced' | 'active'): Promise<void> {
    const index = unused.findIndex((jwk) => jwk.alg === algorithm)
    const [privateJwk] = index < 0 ? [] : unused.splice(index, 1)
    // The plan changed after the keys were created: the next transition creates this one.
    if (!privateJwk) return
    const now = clock.now()
    const life = { createdAt: now, announcedAt: now, activatedAt: state === 'active' ? now : undefined }
    const key = { id: random.id(), kid: privateJwk.kid, algorithm, privateJwk, state, ...life, retiredAt: undefined }
    await insertKey(tx, sealer, key)
    keys.push(key)
    await note(key, undefined, state)
  }

  async function write(key: SigningKey, after: KeyLife): Promise<void> {
    if (!(await moveKey(tx, key, after))) throw new Error('the key ring was changed without its lock')
    keys.splice(keys.indexOf(key), 1, { ...key, ...after })
  }

  async function move(key: SigningKey, to: KeyState): Promise<void> {
    await write(key, { ...key, ...withState(key, to, clock.now()) })
    await note(key, key.state, to)
  }

  async function remove(key: SigningKey, to: 'removed' | 'revoked'): Promise<void> {
    await deleteKey(tx, key.id)
    keys.splice(keys.indexOf(key), 1)
    await note(key, key.state, to)
  }

  const findSuccessor = (algorithm: string): SigningKey | undefined =>
    keys
      .filter((key) => key.algorithm === algorithm && isUpcoming(key))
      .sort((one, other) => one.createdAt - other.createdAt)[0]

  return {
    tx,
    changes,
    keys,
    findSuccessor,
    move,
    remove,

    /** Retires the active key of `algorithm`, then activates the announced key or a new one. */
    async replace(algorithm: string): Promise<void> {
      const active = keys.find((key) => key.algorithm === algorithm && key.state === 'active')
      const successor = findSuccessor(algorithm)
      // Without either, no key could sign: the ring is not changed.
      if (!successor && !unused.some((jwk) => jwk.alg === algorithm)) return
      if (active) await move(active, 'retired')
      await (successor ? move(successor, 'active') : add(algorithm, 'active'))
    },

    async applyStep(step: Step): Promise<void> {
      if (step.do === 'make') return add(step.algorithm, step.state)
      const key = keys.find(({ id }) => id === step.key.id)
      if (!key) return
      if (step.do === 'restart') return write(key, withoutFutureTimes(key, clock.now()))
      if (step.to === 'removed') return remove(key, 'removed')
      return move(key, step.to)
    },
  }
}

export const isUpcoming = ({ state }: KeyLife): boolean => state === 'announced' || state === 'created'

/**
 * The timestamps after a change of state. A key that was never announced is announced when it
 * becomes active.
 */
function withState(key: KeyLife, state: KeyState, now: number): KeyLife {
  const life = { ...key, state, announcedAt: key.announcedAt ?? now }
  if (state === 'active') return { ...life, activatedAt: now }
  return state === 'retired' ? { ...life, retiredAt: now } : life
}

/** The same key with no timestamp in the future. */
function withoutFutureTimes(key: KeyLife, now: number): KeyLife {
  const notAfterNow = <T extends number | undefined>(time: T) =>
    time === undefined ? time : (Math.min(time, now) as T)
  return {
    state: key.state,
    createdAt: notAfterNow(key.createdAt),
    announcedAt: notAfterNow(key.announcedAt),
    activatedAt: notAfterNow(key.activatedAt),
    retiredAt: notAfterNow(key.retiredAt),
  }
}
