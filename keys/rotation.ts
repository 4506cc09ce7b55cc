/** Turning the ring: making, announcing, activating, retiring and removing keys, each change under the ring's lock and recorded with it. */
import type { Knex } from 'knex'
import type { Initiator } from '../src/audit/service.ts'
import type { Clock } from '../src/clock.ts'
import type { Transaction } from '../src/database/database.ts'
import type { Random } from '../src/random.ts'
import type { Algorithm, SigningJwk } from './algorithms.ts'
import { generateJwk } from './algorithms.ts'
import { takeLock } from './locks.ts'
import type { Step } from './plan.ts'
import { planTransition } from './plan.ts'
import type { SigningKey } from './repository.ts'
import { listKeys } from './repository.ts'
import type { Sealer } from './sealer.ts'
import type { KeyTimes } from './states.ts'
import type { KeyChange, Transition } from './transition.ts'
import { createTransition, isComing } from './transition.ts'

export type { KeyChange } from './transition.ts'

/** Why a key cannot be retired. `readyAt` is when the announced one may sign, in milliseconds since the epoch. */
export type Refusal = Readonly<{ refused: 'unknown' | 'retired' | 'no_successor'; readyAt?: number }>

export type Rotation = ReturnType<typeof createRotation>

type Deps = {
  knex: Knex
  transaction: Transaction
  sealer: Sealer
  clock: Clock
  random: Random
  /** Those that are offered, in the order of the JWKS. */
  algorithms: readonly Algorithm[]
  times: KeyTimes
  /** How long everybody needs to learn of a new key at least, in milliseconds: a lifetime of a cached JWKS and our own delay. */
  minAnnouncedMs: number
  /** Remembers in the transaction that nothing counts any more that the key has signed. */
  endSigningKey: (tx: Knex.Transaction, kid: string) => Promise<void>
  /** Writes the record of a change in its transaction. */
  record: (tx: Knex.Transaction, change: KeyChange, by: Initiator) => Promise<void>
}

const itself = (job: string): Initiator => ({ actor: { type: 'system' }, origin: { job } })

export function createRotation(deps: Deps) {
  const { knex, transaction, sealer, clock, algorithms, times } = deps
  const isOffered = (algorithm: string): algorithm is Algorithm => algorithms.some((one) => one === algorithm)

  /** What is done to the ring in one transaction; `made` are keys that were made before it, because RSA takes seconds. */
  async function change(
    by: Initiator,
    made: readonly SigningJwk[],
    work: (transition: Transition) => Promise<void>,
  ): Promise<KeyChange[]> {
    return transaction(async (tx) => {
      await takeLock(tx, 'keyRing')
      const transition = createTransition({ ...deps, tx, by, made, keys: await listKeys(tx, sealer) })
      await work(transition)
      return transition.changes
    })
  }

  async function takeSteps(
    job: string,
    isWanted: (step: Step, keys: readonly SigningKey[]) => boolean,
  ): Promise<KeyChange[]> {
    const plan = (keys: readonly SigningKey[]) =>
      planTransition(keys, { algorithms, times, nowMs: clock.now() }).filter((step) => isWanted(step, keys))
    const steps = plan(await listKeys(knex, sealer))
    if (steps.length === 0) return []
    // Before the lock is taken: no transaction should be open for as long as an RSA key takes.
    const made = await make(steps.flatMap((step) => (step.do === 'make' ? [step.algorithm] : [])))
    return change(itself(job), made, async (transition) => {
      // Planned anew: another process may have done it all meanwhile, and what was made here is thrown away.
      for (const step of plan(transition.keys)) await transition.take(step)
    })
  }

  const make = (wanted: readonly string[]): Promise<SigningJwk[]> =>
    Promise.all(wanted.filter(isOffered).map((algorithm) => generateJwk(algorithm)))

  return {
    /** Every key of the ring, without what is private, in the order in which they were made. */
    list: async (): Promise<Omit<SigningKey, 'privateJwk'>[]> =>
      (await listKeys(knex, sealer))
        .map(({ privateJwk: _, ...key }) => key)
        .sort((one, other) => one.createdAt - other.createdAt),

    /** Takes every step that is due, once in the cluster however many processes ask. Throws WrongMasterKey and SealDamaged. */
    advance: (): Promise<KeyChange[]> => takeSteps('turn-key-ring', () => true),

    /** Makes a key for each offered algorithm that has none that signs or will: for a start, which must not wait for the periodic duty. */
    makeMissing: (): Promise<KeyChange[]> =>
      takeSteps(
        'start',
        (step, keys) =>
          step.do === 'make' && !keys.some((key) => key.algorithm === step.algorithm && key.state === 'active'),
      ),

    /**
     * Announces a successor for each of `wanted` that has none; it becomes active in its time. `isNow`: it
     * signs at once, and whoever has cached the JWKS cannot verify until he fetches it again.
     */
    async rotate({ wanted, isNow }: { wanted: readonly Algorithm[]; isNow: boolean }, by: Initiator) {
      const found = await listKeys(knex, sealer)
      const missing = wanted.filter((algorithm) => !found.some((key) => key.algorithm === algorithm && isComing(key)))
      return change(by, await make(missing), async (transition) => {
        for (const algorithm of wanted) {
          if (isNow) await transition.replace(algorithm)
          else if (!transition.comingOf(algorithm)) await transition.take({ do: 'make', algorithm, state: 'announced' })
        }
      })
    },

    /** Takes signing away from an active key, or the prospect of it from an announced one. It stays published for its time. */
    async retire(kid: string, by: Initiator): Promise<KeyChange[] | Refusal> {
      let refusal: Refusal | undefined
      const changes = await change(by, [], async (transition) => {
        const key = transition.keys.find((one) => one.kid === kid)
        refusal = key ? whyNotRetired(key, transition) : { refused: 'unknown' }
        if (!key || refusal) return
        if (key.state === 'active' && isOffered(key.algorithm)) await transition.replace(key.algorithm)
        else await transition.move(key, 'retired')
      })
      return refusal ?? changes
    },

    /**
     * For a key that has leaked: it is published and signs no longer, and nothing it signed counts any more. An active one is followed at
     * once by the announced key, or by a new one.
     */
    async revoke(kid: string, by: Initiator): Promise<KeyChange[] | Refusal> {
      const key = (await listKeys(knex, sealer)).find((one) => one.kid === kid)
      if (!key) return { refused: 'unknown' }
      const made = await make(key.state === 'retired' ? [] : [key.algorithm])
      let isFound = false
      const changes = await change(by, made, async (transition) => {
        const current = transition.keys.find((one) => one.kid === kid)
        if (!current) return
        isFound = true
        await transition.remove(current, 'revoked')
        await deps.endSigningKey(transition.tx, kid)
        if (current.state === 'active' && isOffered(current.algorithm)) await transition.replace(current.algorithm)
      })
      return isFound ? changes : { refused: 'unknown' }
    },
  }

  function whyNotRetired(key: SigningKey, transition: Transition): Refusal | undefined {
    if (key.state === 'retired') return { refused: 'retired' }
    if (key.state !== 'active' || !isOffered(key.algorithm)) return undefined
    const successor = transition.comingOf(key.algorithm)
    if (successor?.announcedAt === undefined) return { refused: 'no_successor' }
    const readyAt = successor.announcedAt + deps.minAnnouncedMs
    return clock.now() >= readyAt ? undefined : { refused: 'no_successor', readyAt }
  }
}
