/**
 * The actions of an administrator on the signing keys, and the audit events of all changes. The
 * ring itself is in `keys/`.
 */
import type { Algorithm } from '../../keys/algorithms.ts'
import type { KeyChange, Refusal, Rotation } from '../../keys/rotation.ts'
import type { Audit, Initiator } from '../audit/service.ts'
import type { Tx } from '../database/database.ts'
import {
  signingAlgorithmInUse,
  signingAlgorithmNotOffered,
  signingKeyNotFound,
  signingKeyRetired,
  signingKeySuccessorTooYoung,
  signingKeyWithoutSuccessor,
} from './errors.ts'

/** Records a change; the rotation calls it in the transaction of the change. */
export const recordKeyChange =
  ({ record }: Audit) =>
  (tx: Tx, { kid, algorithm, from, to }: KeyChange, by: Initiator): Promise<void> => {
    const action = from === undefined ? 'key.created' : to === 'revoked' ? 'key.revoked' : 'key.state_changed'
    const details = { algorithm, ...(from !== undefined && { from }), to }
    return record(tx, { action, by, subject: { type: 'signing_key', id: kid }, outcome: 'success', details })
  }

type Deps = { rotation: Rotation; offered: readonly Algorithm[] }

export function createSigningKeys({ rotation, offered }: Deps) {
  return {
    list: rotation.list,

    /**
     * Announces a successor for each of `wanted` (default: all), or with `isNow` lets it sign at
     * once. Throws `signing_algorithm_not_offered`.
     */
    rotate: async (
      { wanted = offered, isNow }: { wanted?: readonly string[]; isNow: boolean },
      by: Initiator,
    ): Promise<KeyChange[]> => {
      const unknown = wanted.find((algorithm) => !offered.some((one) => one === algorithm))
      const params = { algorithm: unknown ?? '', offered: offered.join(', ') }
      if (unknown !== undefined) throw signingAlgorithmNotOffered({ params })
      return rotation.rotate({ wanted: wanted as readonly Algorithm[], isNow }, by)
    },

    /**
     * Retires a key, which stays published. Throws `signing_key_not_found`, `signing_key_retired`,
     * and, when no other key could sign with its algorithm, `signing_key_without_successor` or
     * `signing_key_successor_too_young`.
     */
    retire: async (kid: string, by: Initiator): Promise<KeyChange[]> => orThrow(await rotation.retire(kid, by), kid),

    /**
     * For a leaked key: it is no longer published, and its signatures stop being valid. Throws
     * `signing_key_not_found`.
     */
    revoke: async (kid: string, by: Initiator): Promise<KeyChange[]> => orThrow(await rotation.revoke(kid, by), kid),
  }
}

function orThrow(result: KeyChange[] | Refusal, kid: string): KeyChange[] {
  if (Array.isArray(result)) return result
  const { refused, readyAt } = result
  if (refused === 'unknown') throw signingKeyNotFound({ params: { kid } })
  if (refused === 'retired') throw signingKeyRetired({ params: { kid } })
  if (readyAt === undefined) throw signingKeyWithoutSuccessor({ params: { kid } })
  throw signingKeySuccessorTooYoung({ params: { kid, readyAt: new Date(readyAt).toISOString() } })
}

type User = { name: string; algorithm: string }

/**
 * Throws `signing_algorithm_in_use` when a client or an API uses an algorithm that is no longer
 * offered: its tokens could not be signed.
 */
export function refuseLostAlgorithms(offered: readonly string[], users: readonly User[]): void {
  const lost = users.filter(({ algorithm }) => !offered.includes(algorithm))
  if (lost.length === 0) return
  const algorithms = [...new Set(lost.map(({ algorithm }) => algorithm))].join(', ')
  throw signingAlgorithmInUse({ params: { algorithms, users: lost.map(({ name }) => name).join(', ') } })
}
