/**
 * Stored artifacts as rows: loaded from Postgres or Redis, cached for the request, and unsealed.
 */
import { endKey, lostTokenKey, mapKey, rowId } from './digest.ts'
import { ArtifactStoreUnavailable } from './errors.ts'
import type { createLastUse } from './last-use.ts'
import type { ModelName, Models, Payload, StoredArtifact } from './model.ts'
import { ownersOf } from './payload.ts'
import type { Reads } from './postgres/reads.ts'
import type { ShortLived } from './redis/short-lived.ts'
import type { Seal } from './seal.ts'
import type { Unit } from './unit-of-work.ts'

type Deps = {
  models: Models
  reads: Reads
  shortLived: ShortLived | undefined
  isInRedis: (model: ModelName) => boolean
  seal: Seal
  lastUse: ReturnType<typeof createLastUse>
  now: () => number
}

export type Loader = ReturnType<typeof createLoader>

// Introspection and revocation look a token up as each of these (RFC 7662 §2.1, RFC 7009 §2.1).
const bearerModels: readonly ModelName[] = ['AccessToken', 'ClientCredentials', 'RefreshToken']

export function createLoader({ models, reads, shortLived, isInRedis, seal, lastUse, now }: Deps) {
  const everything = endKey('everything', '')

  const isExpired = ({ expiresAt }: StoredArtifact): boolean => expiresAt !== undefined && expiresAt <= now()

  /**
   * Undefined when the payload cannot be unsealed: altered, moved to another row, or sealed with
   * another root secret.
   */
  function open(stored: StoredArtifact): Payload | undefined {
    const text = 'text' in stored.content ? stored.content.text : unseal(stored)
    return text === undefined ? undefined : (JSON.parse(text) as Payload)
  }

  // Several parts of a request read one row, which is unsealed once. Each part gets its own
  // payload, because the engine changes it.
  const unsealed = new WeakMap<StoredArtifact, string>()

  function unseal(stored: StoredArtifact): string | undefined {
    const known = unsealed.get(stored)
    if (known !== undefined || 'text' in stored.content) return known
    const text = seal.open(stored.content.sealed, stored.id)
    if (text !== undefined) unsealed.set(stored, text)
    return text
  }

  function loadOnce(
    unit: Unit,
    id: Buffer,
    load: () => Promise<StoredArtifact | undefined>,
  ): Promise<StoredArtifact | undefined> {
    const key = mapKey(id)
    let stored = unit.known.get(key)
    if (!stored) {
      stored = load()
      unit.known.set(key, stored)
    }
    return stored
  }

  const loadFromPostgres = (unit: Unit, id: Buffer) => async (): Promise<StoredArtifact | undefined> => {
    const found = await reads.find(id)
    if (!found) return undefined
    const { artifact, grant, session } = found
    if (grant) void loadOnce(unit, grant.id, async () => grant)
    if (session) void loadOnce(unit, session.key, async () => session.stored)
    return artifact
  }

  /**
   * A value in Redis is valid only without an end in Postgres. Its grant is read too, because the
   * engine needs it next.
   */
  async function loadFromRedis(
    unit: Unit,
    model: ModelName,
    token: string,
    id: Buffer,
  ): Promise<StoredArtifact | undefined> {
    const value = await shortLived?.find(id)
    // Postgres has the values from before Redis, from outages of Redis, and with a lifetime too
    // long for Redis.
    if (!value) return loadFromPostgres(unit, id)()
    const payload = JSON.parse(value.text) as Payload
    const keys = [everything]
    if (models[model].isDenied) keys.push(id)
    if (models[model].isDenied) keys.push(lostTokenKey(payload.clientId ?? '', token))
    if (value.sessionUid) keys.push(value.sessionUid)
    const grantKey = typeof payload.grantId === 'string' ? rowId('Grant', payload.grantId) : undefined
    if (grantKey) keys.push(grantKey)
    else {
      const { accountId, clientId } = ownersOf(payload)
      if (accountId) keys.push(endKey('account', accountId))
      if (clientId) keys.push(endKey('client', clientId))
    }
    const [endedAt] = await Promise.all([
      reads.findEnd(keys),
      grantKey && loadOnce(unit, grantKey, loadFromPostgres(unit, grantKey)),
    ])
    if (endedAt !== undefined && endedAt >= value.issuedAt) return undefined
    return { id, content: { text: value.text }, grantKey, expiresAt: value.expiresAt }
  }

  /**
   * While Redis is unavailable, new values are in Postgres. For a value that may be in Redis, the
   * answer is an error and not "not found".
   */
  async function loadFromEither(
    unit: Unit,
    model: ModelName,
    token: string,
    id: Buffer,
  ): Promise<StoredArtifact | undefined> {
    try {
      return await loadFromRedis(unit, model, token, id)
    } catch (error) {
      if (!(error instanceof ArtifactStoreUnavailable)) throw error
      const others = bearerModels.includes(model) ? bearerModels.filter((other) => other !== model) : []
      const [stored, ...asOthers] = await Promise.all([
        loadFromPostgres(unit, id)(),
        ...others.map((other) => reads.find(rowId(other, token))),
      ])
      // A token belongs to one model: if Postgres has it as another, it is not this one.
      if (stored || asOthers.some((other) => other !== undefined)) return stored
      throw error
    }
  }

  const loadFor = (unit: Unit, model: ModelName, token: string, id: Buffer) =>
    isInRedis(model) ? () => loadFromEither(unit, model, token, id) : loadFromPostgres(unit, id)

  async function isLiving(model: ModelName, stored: StoredArtifact): Promise<boolean> {
    if (isExpired(stored)) return false
    const payload = open(stored)
    return payload !== undefined && !(await lastUse.endIfOver(model, stored, payload))
  }

  return {
    isExpired,
    open,
    loadOnce,
    isLiving,

    /** The row of the token, read once per request. */
    load: (unit: Unit, model: ModelName, token: string, id: Buffer): Promise<StoredArtifact | undefined> =>
      loadOnce(unit, id, loadFor(unit, model, token, id)),

    /** The current row in Postgres, without the unit's cache. */
    async findNow(model: ModelName, id: Buffer): Promise<StoredArtifact | undefined> {
      const stored = (await reads.find(id))?.artifact
      return stored && (await isLiving(model, stored)) ? stored : undefined
    },
  }
}
