/**
 * The flush: writes the contents of a unit of work, in Redis and by one conditional statement in
 * Postgres.
 */
import { browserCondition } from './browser-condition.ts'
import { mapKey, sessionKey } from './digest.ts'
import { StaleBrowser } from './errors.ts'
import type { ModelName, Models, Payload, Upsert } from './model.ts'
import { hasOfflineAccess, sessionUidOf } from './payload.ts'
import type { Condition, NewSessionClient, WriteResult, Writes } from './postgres/writes.ts'
import { refusedBy } from './redis/refused.ts'
import type { ShortLived } from './redis/short-lived.ts'
import type { Ends, Tx } from './revocations.ts'
import type { Unit } from './unit-of-work.ts'

type Deps = {
  models: Models
  writes: Pick<Writes, 'write'>
  shortLived: ShortLived | undefined
  ends: Pick<Ends, 'denyArtifact' | 'endFamily'>
  transaction: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>
  isInRedis: (model: ModelName) => boolean
}

export type Flusher = ReturnType<typeof createFlusher>

/**
 * With offline access no row of the family ends with the session, even with a smaller scope.
 * Without it, a grant ends with the same session as its code.
 */
function withFamily(unit: Unit, row: Upsert): Upsert {
  if (unit.presented && hasOfflineAccess(unit.presented.payload)) return { ...row, sessionUid: undefined }
  if (row.model !== 'Grant') return row
  for (const code of unit.upserts.values()) {
    if (code.grantKey?.equals(row.id)) return { ...row, sessionUid: code.sessionUid }
  }
  return row
}

/** The clients that the session signs in to with the codes of this request. */
const newClients = (rows: readonly Upsert[], payloadOf: (row: Upsert) => Payload): NewSessionClient[] =>
  rows.flatMap((row) => {
    if (row.model !== 'AuthorizationCode' || !row.grantKey || row.clientId === undefined) return []
    const uid = sessionUidOf(payloadOf(row))
    return uid === undefined ? [] : [{ sessionKey: sessionKey(uid), clientId: row.clientId, grantKey: row.grantKey }]
  })

function forget(unit: Unit): void {
  for (const written of [unit.upserts, unit.unconditional, unit.destroyed, unit.lost]) written.clear()
  unit.known.clear()
  unit.isSessionDestroyed = false
  unit.isSpending = false
  unit.presented = undefined
  unit.issuedRefreshToken = undefined
}

export function createFlusher({ models, writes, shortLived, ends, transaction, isInRedis }: Deps) {
  async function endRevoked(unit: Unit): Promise<void> {
    if (unit.revoked.size === 0) return
    await transaction(async (tx) => {
      for (const [name, grantKey] of unit.revoked) {
        await ends.endFamily(tx, grantKey, { isGrantEnded: unit.destroyed.has(name) })
      }
    })
    unit.revoked.clear()
  }

  /**
   * The denial is written before Redis deletes the value. A Redis that restores old data cannot
   * make the token valid again.
   */
  async function denyDestroyed(unit: Unit): Promise<void> {
    const denied = [...unit.destroyed.values()].filter(({ model }) => models[model].isDenied && isInRedis(model))
    if (denied.length + unit.lost.size === 0) return
    const expiries = await Promise.all(denied.map(async ({ id }) => (await unit.known.get(mapKey(id)))?.expiresAt))
    await transaction(async (tx) => {
      for (const [index, { id }] of denied.entries()) await ends.denyArtifact(tx, id, expiries[index])
      for (const { key, expiresAt } of unit.lost.values()) await ends.denyArtifact(tx, key, expiresAt)
    })
  }

  /**
   * Writes the rows if the condition is met, and the unconditional rows in any case. Redis is
   * first; rows that it refuses are written to Postgres. The unit keeps everything for a retry.
   */
  async function write(unit: Unit, given?: Condition): Promise<WriteResult> {
    await endRevoked(unit)
    await denyDestroyed(unit)
    const rows = [...unit.upserts.values()].map((row) => withFamily(unit, row))
    const condition = given ?? browserCondition(unit, rows)
    const ofRedis = rows.filter(({ home }) => home === 'redis')
    // Other requests may read an interaction, so it changes only when Postgres has accepted the
    // write. Other requests cannot know a new token, so it is written first.
    const isLate = ({ model }: Upsert) => model === 'Interaction' && condition !== undefined
    const early = ofRedis.filter((row) => !isLate(row))
    const refused = shortLived ? await refusedBy(shortLived, early) : early
    const writtenToRedis = early.filter((row) => !refused.includes(row))
    try {
      const upserts = [...rows.filter(({ home }) => home === 'postgres'), ...refused]
      const result = await writePostgres(unit, condition, rows, upserts)
      if (!result.isMet) await discard(writtenToRedis)
      if (shortLived) await followPostgres(unit, shortLived, { condition, result, late: ofRedis.filter(isLate) })
      return result
    } catch (error) {
      await discard(writtenToRedis)
      throw error
    }
  }

  /**
   * Removes tokens that no answer will contain. When Redis fails they expire instead, unknown to
   * any client.
   */
  async function discard(rows: readonly Upsert[]): Promise<void> {
    await Promise.allSettled(rows.map(({ id }) => shortLived?.destroy(id)))
  }

  async function writePostgres(
    unit: Unit,
    condition: Condition | undefined,
    rows: readonly Upsert[],
    upserts: readonly Upsert[],
  ): Promise<WriteResult> {
    const isSessionSaved = rows.some(({ model }) => model === 'Session')
    const generation = condition?.kind === 'browser' ? condition.account?.generation : undefined
    const work = {
      condition,
      upserts: upserts.map((row) => (row.model === 'Session' ? { ...row, generation } : row)),
      unconditional: [...unit.unconditional.values()],
      destroys: [...unit.destroyed.values()].map(({ id }) => id),
      destroyedSessions: unit.isSessionDestroyed && !isSessionSaved && unit.session ? [unit.session.key] : [],
      sessionClients: newClients(rows, ({ text }) => JSON.parse(text) as Payload),
    }
    const hasWork =
      condition !== undefined || work.upserts.length + work.unconditional.length + work.destroys.length > 0
    return hasWork ? writes.write(work) : { isMet: true }
  }

  /** The changes in Redis that must wait for the decision of Postgres. */
  async function followPostgres(
    unit: Unit,
    redis: ShortLived,
    { condition, result, late }: { condition: Condition | undefined; result: WriteResult; late: readonly Upsert[] },
  ): Promise<void> {
    const isBrowser = condition?.kind === 'browser'
    const gone = result.isMet || !isBrowser ? [...unit.destroyed.values()] : []
    const isUsedUp = isBrowser && condition.outcome !== undefined
    const destroy = (id: Buffer, model: ModelName) => {
      // The outcome in Postgres marks the interaction as used, also while Redis keeps the value.
      if (isUsedUp && model === 'Interaction') return redis.destroy(id).catch(() => {})
      return redis.destroy(id)
    }
    const [refused] = await Promise.all([
      refusedBy(redis, result.isMet ? late : []),
      ...gone.filter(({ model }) => isInRedis(model)).map(({ id, model }) => destroy(id, model)),
    ])
    if (refused.length === 0) return
    await writes.write({ upserts: refused, unconditional: [], destroys: [], destroyedSessions: [] })
  }

  /**
   * Throws StaleBrowser when a browser's request is late: its session was renamed or ended, the
   * account was reset, or the interaction has another outcome.
   */
  async function flush(unit: Unit): Promise<void> {
    const { upserts, unconditional, destroyed, revoked, lost } = unit
    if (upserts.size + unconditional.size + destroyed.size + revoked.size + lost.size === 0) return
    const { isMet, failedCondition } = await write(unit)
    const { decision } = unit
    forget(unit)
    if (!isMet && failedCondition)
      throw new StaleBrowser(failedCondition === 'outcome' && decision ? 'answer' : failedCondition)
  }

  return { write, forget, flush }
}
