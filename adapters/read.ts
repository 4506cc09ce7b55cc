/** What the engine reads: artifacts as this request and the current configuration allow them. */
import { mapKey, rowId, sessionKey } from './digest.ts'
import type { createLastUse } from './last-use.ts'
import type { Loader } from './load.ts'
import type { ModelName, Models, Payload, StoredArtifact } from './model.ts'
import { sessionAtBeginning, signInOf } from './payload.ts'
import type { Reads } from './postgres/reads.ts'
import type { Writes } from './postgres/writes.ts'
import type { RefreshGrace } from './refresh-grace.ts'
import type { TokenFamilies } from './token-families.ts'
import type { Unit } from './unit-of-work.ts'

// A proof that is claimed but never saved expires after this time: no proof is valid for longer.
const claimMs = 60 * 60 * 1000

type Deps = {
  models: Models
  loader: Loader
  families: Pick<TokenFamilies, 'narrowToAllowedScope' | 'narrowToFamilyScope'>
  refreshGrace: RefreshGrace
  reads: Pick<Reads, 'findByUid' | 'findByUserCode'>
  writes: Pick<Writes, 'claim'>
  lastUse: ReturnType<typeof createLastUse>
  userCodeDigest: (userCode: string) => Buffer
  now: () => number
}

export type Reader = ReturnType<typeof createReader>

export function createReader({
  models,
  loader,
  families,
  refreshGrace,
  reads,
  writes,
  lastUse,
  userCodeDigest,
  now,
}: Deps) {
  /** The payload for the engine. `consumed` is in seconds, as the engine expects. */
  async function toPayload(unit: Unit, model: ModelName, stored: StoredArtifact | undefined, token?: string) {
    if (!stored || loader.isExpired(stored) || unit.destroyed.has(mapKey(stored.id))) return undefined
    if (stored.grantKey && unit.revoked.has(mapKey(stored.grantKey))) return undefined
    const opened = loader.open(stored)
    if (!opened || (await lastUse.endIfOver(model, stored, opened))) return undefined
    if (opened.usedAt !== undefined) delete opened.usedAt
    const payload = await families.narrowToAllowedScope(unit, opened)
    if (!payload) return undefined
    if (model === 'Session' && payload.uid !== undefined) {
      const { accountId } = payload
      unit.session = { key: sessionKey(payload.uid), id: stored.id, accountId, generation: stored.generation ?? 0 }
    }
    if (model === 'Interaction') {
      unit.signIn = signInOf(payload) ?? unit.signIn
      unit.interaction = sessionAtBeginning(stored.id, payload)
    }
    if (unit.isGranting && !unit.presented && token !== undefined && models[model].spentAs === 'source') {
      const isRepeat = model === 'RefreshToken' && (await refreshGrace.isWithinGrace(stored, payload.clientId))
      const given = isRepeat ? await families.narrowToFamilyScope(token, stored, payload) : payload
      unit.presented = { model, token, stored, payload: given, isRepeat }
    }
    if (unit.presented?.isRepeat && unit.presented.stored === stored) return unit.presented.payload
    if (stored.consumedAt === undefined) return payload
    return { ...payload, consumed: Math.floor(stored.consumedAt / 1000) }
  }

  /**
   * The engine checks a proof and saves it later, so two requests could pass. The look-up itself
   * claims the proof. The second request gets `{}`: used.
   */
  async function findProof(unit: Unit, model: ModelName, id: Buffer): Promise<Payload | undefined> {
    if (!(await writes.claim({ id, model, text: '', expiresAt: now() + claimMs }))) return {}
    unit.claimed.add(mapKey(id))
    return undefined
  }

  async function find(unit: Unit, model: ModelName, token: string): Promise<Payload | undefined> {
    const id = rowId(model, token)
    if (models[model].spentAs === 'proof') return findProof(unit, model, id)
    const written = unit.upserts.get(mapKey(id))
    if (written) return JSON.parse(written.text)
    return toPayload(unit, model, await loader.load(unit, model, token, id), token)
  }

  async function findByUid(unit: Unit, uid: string): Promise<Payload | undefined> {
    const key = sessionKey(uid)
    for (const written of unit.upserts.values()) if (written.uid?.equals(key)) return JSON.parse(written.text)
    return toPayload(unit, 'Session', await loader.loadOnce(unit, key, () => reads.findByUid(key)))
  }

  async function findByUserCode(unit: Unit, userCode: string): Promise<Payload | undefined> {
    const key = userCodeDigest(userCode)
    for (const written of unit.upserts.values()) if (written.userCode?.equals(key)) return JSON.parse(written.text)
    return toPayload(unit, 'DeviceCode', await loader.loadOnce(unit, key, () => reads.findByUserCode(key)))
  }

  return {
    find,
    findByUid,
    findByUserCode,

    /** Starts to read a row that the request needs later. The later read reports a failure. */
    prefetch(unit: Unit, model: ModelName, token: string): void {
      // The request gets the same promise, and its failure, when it reads.
      loader.load(unit, model, token, rowId(model, token)).catch(() => {})
    },
  }
}
