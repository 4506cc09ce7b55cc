/**
 * Key rotation: creates, announces, activates, retires and removes keys. Each change runs under the
 * ring's lock with its audit event.
 */
import type { Knex } from 'knex'
import type { Initiator } from '../src/audit/service.ts'
import type { Clock } from '../src/clock.ts'
import type { Transaction } from '../src/database/database.ts'
import type { Random } from '../src/random.ts'
import type { Algorithm, SigningJwk } from './algorithms.ts'
import { generateJwk } from './algorithms.ts'
import { takeLock } from './locks.ts'
import type { SigningKey } from './repository.ts'
import { listKeys } from './repository.ts'
import type { Step } from './rotation-plan.ts'
import { planTransition } from './rotation-plan.ts'
import type { Sealer } from './sealer.ts'
import type { KeyTimes } from './states.ts'
import type { KeyChange, Transition } from './transition.ts'
import { createTransition, isUpcoming } from './transition.ts'

export type { KeyChange } from './transition.ts'

/**
 * Why a key cannot be retired. `readyAt`: when the announced key may sign, in milliseconds since
 * the epoch.
 */
export type Refusal = Readonly<{ refused: 'unknown' | 'retired' | 'no_successor'; readyAt?: number }>

export type Rotation = ReturnType<typeof createRotation>

type Deps = {
  knex: Knex
  transaction: Transaction
  sealer: Sealer
  clock: Clock
  random: Random
  /** The offered algorithms, in the order of the JWKS. */
  algorithms: readonly Algorithm[]
  times: KeyTimes
  /**
   * The minimum time before clients know a new key, in milliseconds: the lifetime of a cached JWKS
   * plus our own delay.
   */
  minAnnouncedMs: number
  /** Records in the transaction that nothing signed by the key is valid any more. */
  endSigningKey: (tx: Knex.Transaction, kid: string) => Promise<void>
  /** Writes the audit event of a change in its transaction. */
  record: (tx: Knex.Transaction, change: KeyChange, by: Initiator) => Promise<void>
}

const systemInitiator = (job: string): Initiator => ({ actor: { type: 'system' }, origin: { job } })

export function createRotation(deps: Deps) {
  const { knex, transaction, sealer, clock, algorithms, times } = deps
  const isOffered = (algorithm: string): algorithm is Algorithm => algorithms.some((one) => one === algorithm)

  /**
   * Runs one transaction on the ring. `made` are keys created before it, because RSA takes seconds.
   */
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

  async function applySteps(
    job: string,
    isWanted: (step: Step, keys: readonly SigningKey[]) => boolean,
  ): Promise<KeyChange[]> {
    const plan = (keys: readonly SigningKey[]) =>
      planTransition(keys, { algorithms, times, nowMs: clock.now() }).filter((step) => isWanted(step, keys))
    const steps = plan(await listKeys(knex, sealer))
    if (steps.length === 0) return []
    // Before the lock: creating an RSA key takes seconds, too long for an open transaction.
    const made = await make(steps.flatMap((step) => (step.do === 'make' ? [step.algorithm] : [])))
    return change(systemInitiator(job), made, async (transition) => {
      // Planned again: another process may have taken the steps meanwhile, and then the new keys
      // are discarded.
      for (const step of plan(transition.keys)) await transition.applyStep(step)
    })
  }

  const make = (wanted: readonly string[]): Promise<SigningJwk[]> =>
    Promise.all(wanted.filter(isOffered).map((algorithm) => generateJwk(algorithm)))

  return {
    /** Every key of the ring without its private part, oldest first. */
    list: async (): Promise<Omit<SigningKey, 'privateJwk'>[]> =>
      (await listKeys(knex, sealer))
        .map(({ privateJwk: _, ...key }) => key)
        .sort((one, other) => one.createdAt - other.createdAt),

    /**
     * Takes every step that is due, once in the whole cluster. Throws WrongMasterKey and
     * SealDamaged.
     */
    advance: (): Promise<KeyChange[]> => applySteps('turn-key-ring', () => true),

    /**
     * Creates a key for each offered algorithm without an active or announced one: a start cannot
     * wait for the periodic duty.
     */
    makeMissing: (): Promise<KeyChange[]> =>
      applySteps(
        'start',
        (step, keys) =>
          step.do === 'make' && !keys.some((key) => key.algorithm === step.algorithm && key.state === 'active'),
      ),

    /**
     * Announces a successor for each of `wanted` that has none. It becomes active when it is due.
     * `isNow`: it signs at once, and a client with a cached JWKS cannot verify until it fetches the
     * JWKS again.
     */
    async rotate({ wanted, isNow }: { wanted: readonly Algorithm[]; isNow: boolean }, by: Initiator) {
      const found = await listKeys(knex, sealer)
      const missing = wanted.filter((algorithm) => !found.some((key) => key.algorithm === algorithm && isUpcoming(key)))
      return change(by, await make(missing), async (transition) => {
        for (const algorithm of wanted) {
          if (isNow) await transition.replace(algorithm)
          else if (!transition.findSuccessor(algorithm))
            await transition.applyStep({ do: 'make', algorithm, state: 'announced' })
        }
      })
    },

    /** Retires an active or announced key. It stays published until its retirement ends. */
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
     * For a leaked key: it is no longer published, signs no more, and its signatures stop being
     * valid. The announced key or a new one replaces an active key at once.
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
    const successor = transition.findSuccessor(key.algorithm)
    if (successor?.announcedAt === undefined) return { refused: 'no_successor' }
    const readyAt = successor.announcedAt + deps.minAnnouncedMs
    return clock.now() >= readyAt ? undefined : { refused: 'no_successor', readyAt }
  }
}
