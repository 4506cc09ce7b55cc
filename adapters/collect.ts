/** What the engine writes is collected in the request's unit of work until the flush. */
import { errors } from 'oidc-provider'
import { lostTokenKey, mapKey, rowId, sessionKey } from './digest.ts'
import { ReplayDetected, requestUriUsed } from './errors.ts'
import type { Flusher } from './flush.ts'
import type { createLastUse } from './last-use.ts'
import type { ModelName, Models, Payload, Upsert } from './model.ts'
import { grantIdOf, hasOfflineAccess, ownersOf, withGeneration } from './payload.ts'
import type { Writes } from './postgres/writes.ts'
import { longestInRedisMs } from './revocations.ts'
import type { Unit } from './unit-of-work.ts'

type Deps = {
  models: Models
  writes: Pick<Writes, 'claim' | 'write'>
  flusher: Pick<Flusher, 'flush'>
  lastUse: ReturnType<typeof createLastUse>
  isInRedis: (model: ModelName) => boolean
  userCodeDigest: (userCode: string) => Buffer
  now: () => number
}

export type Collector = ReturnType<typeof createCollector>

export function createCollector({ models, writes, flusher, lastUse, isInRedis, userCodeDigest, now }: Deps) {
  /**
   * A row is issued at the start of its request, so that an end during the request covers it. An
   * interaction is issued when written: it gives no access, and resuming it checks the account.
   */
  function toUpsert(unit: Unit, model: ModelName, id: Buffer, payload: Payload, expiresInSeconds?: number): Upsert {
    const writtenAt = now()
    const issuedAt = model === 'Interaction' ? writtenAt : (unit.beganAt ?? writtenAt)
    const fromNow = typeof expiresInSeconds === 'number' ? writtenAt + expiresInSeconds * 1000 : undefined
    const expiresAt = typeof payload.exp === 'number' ? payload.exp * 1000 : fromNow
    const fitsRedis = expiresAt !== undefined && expiresAt - writtenAt <= longestInRedisMs
    const { accountId, clientId, sessionUid } = ownersOf(payload)
    const grantId = model === 'Grant' || model === 'Interaction' ? undefined : grantIdOf(payload)
    const endsWithSession = sessionUid !== undefined && model !== 'Session' && !hasOfflineAccess(payload)
    return {
      id,
      model,
      home: isInRedis(model) && fitsRedis ? 'redis' : 'postgres',
      text: JSON.stringify(payload),
      grantKey: grantId === undefined ? undefined : rowId('Grant', grantId),
      uid: model === 'Session' && payload.uid !== undefined ? sessionKey(payload.uid) : undefined,
      userCode: payload.userCode === undefined ? undefined : userCodeDigest(payload.userCode),
      accountId,
      clientId,
      sessionUid: endsWithSession ? sessionKey(sessionUid) : undefined,
      issuedAt,
      expiresAt,
    }
  }

  async function upsert(unit: Unit, model: ModelName, token: string, payload: Payload, expiresInSeconds?: number) {
    const id = rowId(model, token)
    const carried = model === 'Interaction' ? withGeneration(unit, id, payload) : lastUse.withUse(model, payload)
    const row = toUpsert(unit, model, id, carried, expiresInSeconds)
    const key = mapKey(row.id)
    if (models[model].spentAs === 'proof') {
      if (unit.claimed.has(key)) unit.unconditional.set(key, row)
      else if (!(await writes.claim(row))) throw new ReplayDetected()
      return
    }
    unit.destroyed.delete(key)
    unit.upserts.set(key, row)
    if (unit.isGranting && model === 'RefreshToken') unit.issuedRefreshToken = { token, key }
  }

  /**
   * Spends the artifact now or, inside a grant handler, at the flush.
   * Throws InvalidRequestUri or InvalidGrant when the artifact was spent before.
   */
  async function consume(unit: Unit, model: ModelName, token: string): Promise<void> {
    const { spentAs } = models[model]
    if (spentAs !== 'source' && spentAs !== 'request') throw new TypeError(`${model} is not spent`)
    const id = rowId(model, token)
    if (unit.isGranting && unit.presented?.stored.id.equals(id)) {
      unit.isSpending = true
      return
    }
    if (unit.upserts.has(mapKey(id))) await flusher.flush(unit)
    unit.known.delete(mapKey(id))
    const nothing = { upserts: [], unconditional: [], destroys: [], destroyedSessions: [] }
    if ((await writes.write({ ...nothing, condition: { kind: 'spend', key: id } })).isMet) return
    throw spentAs === 'request' ? requestUriUsed() : new errors.InvalidGrant('already used')
  }

  function destroy(unit: Unit, model: ModelName, token: string): void {
    const id = rowId(model, token)
    unit.upserts.delete(mapKey(id))
    unit.destroyed.set(mapKey(id), { id, model })
    if (model === 'Session') unit.isSessionDestroyed = true
  }

  /** Written with the rest of the request: a request refused by a rate limit writes nothing. */
  function denyLost(unit: Unit, clientId: string, token: string, lifetimeSeconds: number): void {
    const key = lostTokenKey(clientId, token)
    unit.lost.set(mapKey(key), { key, expiresAt: now() + lifetimeSeconds * 1000 })
  }

  return { upsert, consume, destroy, denyLost }
}
