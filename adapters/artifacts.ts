/** What the engine's adapters do within one unit of work: find, upsert, consume, destroy, revoke; and the flush that writes it all. */
import { errors } from 'oidc-provider'
import { createUserCodeDigest, endKey, lostTokenKey, mapKey, rowId, sessionKey } from './digest.ts'
import type { Ends, Tx } from './ends.ts'
import { longestInRedisMs } from './ends.ts'
import { ArtifactStoreUnavailable, isPostgresAway, Replayed, requestUriUsed, StaleBrowser } from './errors.ts'
import type { createLastUse } from './last-use.ts'
import type { ModelName, Models, Payload, Stored, Upsert } from './model.ts'
import type { Reads } from './postgres/reads.ts'
import type { BrowserCondition, Condition, NewSessionClient, WriteResult, Writes } from './postgres/writes.ts'
import { refusedBy } from './redis/refused.ts'
import type { ShortLived } from './redis/short-lived.ts'
import type { createSuccessorSeal, Seal } from './seal.ts'
import type { Presented, Unit } from './unit-of-work.ts'

// A claim that its request never came to save. Long enough for any assertion or proof (at most an hour).
const claimMs = 60 * 60 * 1000

type Deps = {
  models: Models
  reads: Reads
  writes: Writes
  shortLived: ShortLived | undefined
  ends: Ends
  seal: Seal
  successors: Pick<ReturnType<typeof createSuccessorSeal>, 'open'>
  userCodeKey: Buffer
  now: () => number
  transaction: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>
  graceSeconds: (clientId: string) => Promise<number>
  allowedScope: (clientId: string, scope: string) => Promise<string>
  graceBegins: (spentAt: number, windowMs: number) => Promise<number>
  lastUse: ReturnType<typeof createLastUse>
}

export type Artifacts = ReturnType<typeof createArtifacts>

// What introspection and revocation look a token up as (RFC 7662 §2.1, RFC 7009 §2.1).
const bearerModels: readonly ModelName[] = ['AccessToken', 'ClientCredentials', 'RefreshToken']

const hasOfflineAccess = (payload: Payload): boolean =>
  typeof payload.scope === 'string' && payload.scope.split(' ').includes('offline_access')

/** The scope of the first that the second has too. */
function commonScope({ scope = '' }: Payload, other: Payload): string {
  const names = new Set(other.scope?.split(' '))
  return scope
    .split(' ')
    .filter((name) => names.has(name) || name === '')
    .join(' ')
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

const asText = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

export function createArtifacts(deps: Deps) {
  const { models, reads, writes, shortLived, ends, seal, lastUse, now } = deps
  const userCodeDigest = createUserCodeDigest(deps.userCodeKey)
  const everything = endKey('everything', '')

  const isInRedis = (model: ModelName): boolean => shortLived !== undefined && models[model].home === 'redis'
  const isExpired = ({ expiresAt }: Stored): boolean => expiresAt !== undefined && expiresAt <= now()

  /** The payload, or undefined when it does not open: altered, moved to another row, or sealed under another root secret. */
  function open(stored: Stored): Payload | undefined {
    const text = 'text' in stored.content ? stored.content.text : unseal(stored)
    return text === undefined ? undefined : (JSON.parse(text) as Payload)
  }

  // A row that several parts of a request ask for is unsealed once. Each gets a payload of its own, because the engine changes them.
  const unsealed = new WeakMap<Stored, string>()

  function unseal(stored: Stored): string | undefined {
    const known = unsealed.get(stored)
    if (known !== undefined || 'text' in stored.content) return known
    const text = seal.open(stored.content.sealed, stored.id)
    if (text !== undefined) unsealed.set(stored, text)
    return text
  }

  function remembered(unit: Unit, id: Buffer, load: () => Promise<Stored | undefined>): Promise<Stored | undefined> {
    const key = mapKey(id)
    let stored = unit.known.get(key)
    if (!stored) {
      stored = load()
      unit.known.set(key, stored)
    }
    return stored
  }

  const loadFromPostgres = (unit: Unit, id: Buffer) => async (): Promise<Stored | undefined> => {
    const found = await reads.find(id)
    if (!found) return undefined
    const { artifact, grant, session } = found
    if (grant) void remembered(unit, grant.id, async () => grant)
    if (session) void remembered(unit, session.key, async () => session.stored)
    return artifact
  }

  /** A value in Redis counts only while Postgres has not ended what it hangs from. Its grant is read along: the engine asks for it next. */
  async function loadFromRedis(unit: Unit, model: ModelName, token: string, id: Buffer): Promise<Stored | undefined> {
    const value = await shortLived?.find(id)
    // Written before there was a Redis or while it was away, or too long-lived for it.
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
      grantKey && remembered(unit, grantKey, loadFromPostgres(unit, grantKey)),
    ])
    if (endedAt !== undefined && endedAt >= value.issuedAt) return undefined
    return { id, content: { text: value.text }, grantKey, expiresAt: value.expiresAt }
  }

  /** Whose it is. An interaction names its person in the session it began in, or in the login that has just succeeded. */
  function ownersOf(payload: Payload): { accountId?: string; clientId?: string; sessionUid?: string } {
    const { result, session, params } = payload as {
      result?: { login?: { accountId?: unknown } }
      session?: { accountId?: unknown; uid?: unknown }
      params?: { client_id?: unknown }
    }
    return {
      accountId: asText(payload.accountId) ?? asText(result?.login?.accountId) ?? asText(session?.accountId),
      clientId: asText(payload.clientId) ?? asText(params?.client_id),
      sessionUid: asText(payload.sessionUid) ?? asText(session?.uid),
    }
  }

  /**
   * A row is as old as the request that writes it, which has read before an end what it writes after it. A person may go on with an
   * interaction: what comes of it is decided later.
   */
  function toUpsert(unit: Unit, model: ModelName, id: Buffer, payload: Payload, expiresInSeconds?: number): Upsert {
    const writtenAt = now()
    const issuedAt = model === 'Interaction' ? writtenAt : (unit.beganAt ?? writtenAt)
    const fromNow = typeof expiresInSeconds === 'number' ? writtenAt + expiresInSeconds * 1000 : undefined
    const expiresAt = typeof payload.exp === 'number' ? payload.exp * 1000 : fromNow
    const fitsRedis = expiresAt !== undefined && expiresAt - writtenAt <= longestInRedisMs
    const { accountId, clientId, sessionUid } = ownersOf(payload)
    const grantId = model === 'Grant' || model === 'Interaction' ? undefined : asText(payload.grantId)
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

  async function isLiving(model: ModelName, stored: Stored): Promise<boolean> {
    if (isExpired(stored)) return false
    const payload = open(stored)
    return payload !== undefined && !(await lastUse.isOver(model, stored, payload))
  }

  async function begins(spentAt: number, windowMs: number): Promise<number> {
    try {
      return await deps.graceBegins(spentAt, windowMs)
    } catch (error) {
      throw isPostgresAway(error) ? new ArtifactStoreUnavailable(error) : error
    }
  }

  /** Spent so recently that its own client may have lost the answer, and with something to give again. */
  async function isWithinGrace({ consumedAt, successor }: Stored, clientId: string | undefined): Promise<boolean> {
    if (consumedAt === undefined || successor === undefined || clientId === undefined) return false
    const windowMs = (await deps.graceSeconds(clientId)) * 1000
    if (now() - consumedAt < windowMs) return true
    // The window counts time in which the stores answered.
    return windowMs > 0 && now() - (await begins(consumedAt, windowMs)) < windowMs
  }

  /**
   * A code or token without the scopes that were taken from its client since. One that has lost offline access lives as long as its session;
   * when that is over, the family ends for good.
   */
  async function asAllowedNow(unit: Unit, payload: Payload): Promise<Payload | undefined> {
    const { clientId, scope, sessionUid, grantId } = payload
    if (clientId === undefined || scope === undefined) return payload
    const allowed = await deps.allowedScope(clientId, scope)
    if (allowed === scope) return payload
    const narrowed = { ...payload, scope: allowed }
    if (!hasOfflineAccess(payload) || hasOfflineAccess(narrowed)) return narrowed
    const session = sessionUid === undefined ? undefined : await reads.findByUid(sessionKey(sessionUid))
    if (session && (await isLiving('Session', session))) return narrowed
    if (grantId !== undefined) revokeByGrantId(unit, grantId)
    return undefined
  }

  /** The refresh token that lives in place of a spent one; undefined when its family has ended. */
  async function findLiving(token: string, spent: Stored): Promise<Payload | undefined> {
    let link = { token, row: spent }
    for (;;) {
      const next = link.row.successor && deps.successors.open(link.token, link.row.successor, link.row.id)
      const row = next && (await findNow('RefreshToken', rowId('RefreshToken', next.token)))
      if (!row) return undefined
      if (row.consumedAt === undefined) return open(row)
      link = { token: next.token, row }
    }
  }

  /** A repeat gives no scope that its family has lost since, also when the client has the scope again. */
  async function asFamilyHas(token: string, spent: Stored, payload: Payload): Promise<Payload> {
    const living = await findLiving(token, spent)
    return living && payload.scope !== undefined ? { ...payload, scope: commonScope(payload, living) } : payload
  }

  /** What the engine is shown: `consumed` in seconds, as its own adapter does. */
  async function show(unit: Unit, model: ModelName, stored: Stored | undefined, token?: string) {
    if (!stored || isExpired(stored) || unit.destroyed.has(mapKey(stored.id))) return undefined
    if (stored.grantKey && unit.revoked.has(mapKey(stored.grantKey))) return undefined
    const opened = open(stored)
    if (!opened || (await lastUse.isOver(model, stored, opened))) return undefined
    if (opened.usedAt !== undefined) delete opened.usedAt
    const payload = await asAllowedNow(unit, opened)
    if (!payload) return undefined
    if (model === 'Session' && payload.uid !== undefined) {
      const { accountId } = payload
      unit.session = { key: sessionKey(payload.uid), id: stored.id, accountId, generation: stored.generation ?? 0 }
    }
    if (model === 'Interaction') {
      unit.signIn = signInOf(payload) ?? unit.signIn
      unit.interaction = begunIn(stored.id, payload)
    }
    if (unit.isGranting && !unit.presented && token !== undefined && models[model].spentAs === 'source') {
      const isRepeat = model === 'RefreshToken' && (await isWithinGrace(stored, payload.clientId))
      const given = isRepeat ? await asFamilyHas(token, stored, payload) : payload
      unit.presented = { model, token, stored, payload: given, isRepeat }
    }
    if (unit.presented?.isRepeat && unit.presented.stored === stored) return unit.presented.payload
    if (stored.consumedAt === undefined) return payload
    return { ...payload, consumed: Math.floor(stored.consumedAt / 1000) }
  }

  /** A sign-in that ended the interaction; one of the program before generations is of generation 0. */
  function signInOf({ result }: Payload): Unit['signIn'] {
    const { login } = Object(result) as { login?: { accountId?: unknown; generation?: unknown } }
    const accountId = asText(login?.accountId)
    return accountId === undefined ? undefined : { accountId, generation: Number(login?.generation ?? 0) }
  }

  /** In which generation of whose session the interaction began; one of the program before generations of interactions does not say. */
  function begunIn(id: Buffer, { session, generation }: Payload): Unit['interaction'] {
    const accountId = asText((Object(session) as { accountId?: unknown }).accountId)
    return accountId === undefined || typeof generation !== 'number' ? undefined : { id, accountId, generation }
  }

  /** An interaction keeps the generation in which it began, however often it is saved. */
  function withGeneration(unit: Unit, id: Buffer, payload: Payload): Payload {
    if (unit.interaction?.id.equals(id)) return { ...payload, generation: unit.interaction.generation }
    const accountId = asText((Object(payload.session) as { accountId?: unknown }).accountId)
    // The request that signs somebody in has loaded no session of theirs, or one from before.
    const begun = [unit.signIn, unit.session].find((one) => accountId !== undefined && one?.accountId === accountId)
    return begun ? { ...payload, generation: begun.generation } : payload
  }

  async function find(unit: Unit, model: ModelName, token: string): Promise<Payload | undefined> {
    const id = rowId(model, token)
    if (models[model].spentAs === 'proof') return findProof(unit, model, id)
    const written = unit.upserts.get(mapKey(id))
    if (written) return JSON.parse(written.text)
    return show(unit, model, await remembered(unit, id, loadFor(unit, model, token, id)), token)
  }

  const loadFor = (unit: Unit, model: ModelName, token: string, id: Buffer) =>
    isInRedis(model) ? () => loadFromEither(unit, model, token, id) : loadFromPostgres(unit, id)

  /** While Redis is away: what was written to Postgres meanwhile. What may be in Redis is not told as "not found". */
  async function loadFromEither(unit: Unit, model: ModelName, token: string, id: Buffer): Promise<Stored | undefined> {
    try {
      return await loadFromRedis(unit, model, token, id)
    } catch (error) {
      const others = bearerModels.includes(model) ? bearerModels.filter((other) => other !== model) : []
      const [stored, ...asOthers] = await Promise.all([
        loadFromPostgres(unit, id)(),
        ...others.map((other) => reads.find(rowId(other, token))),
      ])
      // A token is of one model only: one that Postgres has as another is not this one.
      if (stored || asOthers.some((other) => other !== undefined)) return stored
      throw error
    }
  }

  /** Begins to read what will be asked for. A failure is told to whoever asks. */
  function expect(unit: Unit, model: ModelName, token: string): void {
    const id = rowId(model, token)
    remembered(unit, id, loadFor(unit, model, token, id)).catch(() => {})
  }

  /**
   * The engine asks whether a proof is known and then saves it: of two that ask at once both would pass. So asking claims it, and whoever
   * comes second is told that it is known.
   */
  async function findProof(unit: Unit, model: ModelName, id: Buffer): Promise<Payload | undefined> {
    if (!(await writes.claim({ id, model, text: '', expiresAt: now() + claimMs }))) return {}
    unit.claimed.add(mapKey(id))
    return undefined
  }

  async function findByUid(unit: Unit, uid: string): Promise<Payload | undefined> {
    const key = sessionKey(uid)
    for (const written of unit.upserts.values()) if (written.uid?.equals(key)) return JSON.parse(written.text)
    return show(unit, 'Session', await remembered(unit, key, () => reads.findByUid(key)))
  }

  async function findByUserCode(unit: Unit, userCode: string): Promise<Payload | undefined> {
    const key = userCodeDigest(userCode)
    for (const written of unit.upserts.values()) if (written.userCode?.equals(key)) return JSON.parse(written.text)
    return show(unit, 'DeviceCode', await remembered(unit, key, () => reads.findByUserCode(key)))
  }

  async function upsert(unit: Unit, model: ModelName, token: string, payload: Payload, expiresInSeconds?: number) {
    const id = rowId(model, token)
    const carried = model === 'Interaction' ? withGeneration(unit, id, payload) : lastUse.noted(model, payload)
    const row = toUpsert(unit, model, id, carried, expiresInSeconds)
    const key = mapKey(row.id)
    if (models[model].spentAs === 'proof') {
      if (unit.claimed.has(key)) unit.unconditional.set(key, row)
      else if (!(await writes.claim(row))) throw new Replayed()
      return
    }
    unit.destroyed.delete(key)
    unit.upserts.set(key, row)
    if (unit.isGranting && model === 'RefreshToken') unit.issuedRefreshToken = { token, key }
  }

  /** Inside a grant handler the flush decides. Elsewhere it is decided here: InvalidRequestUri or InvalidGrant when it was spent. */
  async function consume(unit: Unit, model: ModelName, token: string): Promise<void> {
    const { spentAs } = models[model]
    if (spentAs !== 'source' && spentAs !== 'request') throw new TypeError(`${model} is not spent`)
    const id = rowId(model, token)
    if (unit.isGranting && unit.presented?.stored.id.equals(id)) {
      unit.isSpending = true
      return
    }
    if (unit.upserts.has(mapKey(id))) await flush(unit)
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

  /** Written with the rest of the request: what is refused for its rate leaves nothing. */
  function denyLost(unit: Unit, clientId: string, token: string, lifetimeSeconds: number): void {
    const key = lostTokenKey(clientId, token)
    unit.lost.set(mapKey(key), { key, expiresAt: now() + lifetimeSeconds * 1000 })
  }

  function revokeByGrantId(unit: Unit, grantId: string): void {
    const key = rowId('Grant', grantId)
    unit.revoked.set(mapKey(key), key)
    for (const [name, row] of unit.upserts) if (row.grantKey?.equals(key)) unit.upserts.delete(name)
  }

  /** In a transaction of its own, with a lost database told in our words. */
  async function transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    try {
      return await deps.transaction(work)
    } catch (error) {
      throw isPostgresAway(error) ? new ArtifactStoreUnavailable(error) : error
    }
  }

  async function endRevoked(unit: Unit): Promise<void> {
    if (unit.revoked.size === 0) return
    await transaction(async (tx) => {
      for (const [name, grantKey] of unit.revoked) {
        await ends.endFamily(tx, grantKey, { isGrantEnded: unit.destroyed.has(name) })
      }
    })
    unit.revoked.clear()
  }

  /** Written before Redis forgets them: what was answered stays true whatever Redis remembers later. */
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
   * A family with offline access outlives the session, its access tokens too (their own scope may not name it); a grant ends with the session
   * when the code that is issued from it does.
   */
  function withFamily(unit: Unit, row: Upsert): Upsert {
    if (unit.presented && hasOfflineAccess(unit.presented.payload)) return { ...row, sessionUid: undefined }
    if (row.model !== 'Grant') return row
    for (const code of unit.upserts.values()) {
      if (code.grantKey?.equals(row.id)) return { ...row, sessionUid: code.sessionUid }
    }
    return row
  }

  /** The generation of the account under which the request may sign in, or go on in its session; undefined when nobody is signed in. */
  function accountOf(unit: Unit, accountId: string | undefined): BrowserCondition['account'] {
    // Accounts have UUIDs; what is none names no row, and must not fail the statement of its neighbours.
    if (accountId === undefined || !uuid.test(accountId)) return undefined
    if (unit.signIn?.accountId === accountId) return { id: accountId, generation: unit.signIn.generation }
    const { interaction, session } = unit
    const isUsedUp = interaction !== undefined && unit.destroyed.has(mapKey(interaction.id))
    if (isUsedUp && interaction.accountId === accountId) return { id: accountId, generation: interaction.generation }
    if (session?.accountId === accountId) return { id: accountId, generation: session.generation }
    return undefined
  }

  /**
   * What a browser's request saves is written only while the session's very row lives, in the generation of the account in which it was
   * signed in to: a session that was ended or renamed meanwhile does not come back with a request in flight.
   */
  function browserCondition(unit: Unit, rows: readonly Upsert[]): BrowserCondition | undefined {
    const saved = rows.find(({ model }) => model === 'Session')
    const isEndedHere = unit.isSessionDestroyed && !saved
    const session = isEndedHere ? undefined : unit.session
    const outcome = outcomeOf(unit)
    if (!outcome && (rows.length === 0 || isEndedHere)) return undefined
    const account = accountOf(unit, saved ? saved.accountId : session?.accountId)
    if (!session && !account && !outcome) return undefined
    // What an interaction saves of itself signs nobody in: the request that resumes it meets the whole condition.
    if (unit.destroyed.size === 0 && rows.every(({ model }) => model === 'Interaction')) {
      return outcome && { kind: 'browser', outcome }
    }
    return {
      kind: 'browser',
      ...(account && { account }),
      ...(session && { session: { key: session.key, id: session.id } }),
      ...(outcome && { outcome }),
    }
  }

  /** Only a request that uses the interaction up resumes it, and only one that saves it answers it. */
  function outcomeOf({ outcome, decision, destroyed, upserts }: Unit): BrowserCondition['outcome'] {
    if (outcome && destroyed.has(mapKey(outcome.interaction))) return { key: outcome.key, response: outcome.response() }
    if (decision && upserts.has(mapKey(decision.interaction))) return { key: decision.key, answer: decision.answer }
    return undefined
  }

  /** The clients that the session signs in to by the codes of this request. */
  const newClients = (rows: readonly Upsert[], payloadOf: (row: Upsert) => Payload): NewSessionClient[] =>
    rows.flatMap((row) => {
      if (row.model !== 'AuthorizationCode' || !row.grantKey || row.clientId === undefined) return []
      const uid = asText(payloadOf(row).sessionUid)
      return uid === undefined ? [] : [{ sessionKey: sessionKey(uid), clientId: row.clientId, grantKey: row.grantKey }]
    })

  /**
   * Writes the unit's rows if `condition` is met, and what is unconditional in any case. Redis first: nothing is spent before everything
   * that the answer needs is stored, and what Redis refuses goes to Postgres. Says whether the condition was met; nothing is forgotten,
   * so that the caller may try again on another condition.
   */
  async function write(unit: Unit, given?: Condition): Promise<WriteResult> {
    await endRevoked(unit)
    await denyDestroyed(unit)
    const rows = [...unit.upserts.values()].map((row) => withFamily(unit, row))
    const condition = given ?? browserCondition(unit, rows)
    const ofRedis = rows.filter(({ home }) => home === 'redis')
    // A value that other requests know already changes only when the condition is met; a new token is unknown until the answer.
    const isLate = ({ model }: Upsert) => model === 'Interaction' && condition !== undefined
    const early = ofRedis.filter((row) => !isLate(row))
    const refused = shortLived ? await refusedBy(shortLived, early) : early
    const kept = early.filter((row) => !refused.includes(row))
    try {
      const upserts = [...rows.filter(({ home }) => home === 'postgres'), ...refused]
      const result = await writePostgres(unit, condition, rows, upserts)
      if (!result.isMet) await discard(kept)
      if (shortLived) await followPostgres(unit, shortLived, { condition, result, late: ofRedis.filter(isLate) })
      return result
    } catch (error) {
      await discard(kept)
      throw error
    }
  }

  /** Tokens that no answer will name go, if Redis lets them; else they expire, and no client has seen them. */
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

  /** What Redis may do only once Postgres has decided. */
  async function followPostgres(
    unit: Unit,
    redis: ShortLived,
    { condition, result, late }: { condition: Condition | undefined; result: WriteResult; late: readonly Upsert[] },
  ): Promise<void> {
    const isBrowser = condition?.kind === 'browser'
    const gone = result.isMet || !isBrowser ? [...unit.destroyed.values()] : []
    // Its outcome in Postgres says that the interaction is used up: that Redis keeps the value until it expires changes nothing.
    const isUsedUp = isBrowser && condition.outcome !== undefined
    const destroy = (id: Buffer, model: ModelName) =>
      isUsedUp && model === 'Interaction' ? redis.destroy(id).catch(() => {}) : redis.destroy(id)
    const [refused] = await Promise.all([
      refusedBy(redis, result.isMet ? late : []),
      ...gone.filter(({ model }) => isInRedis(model)).map(({ id, model }) => destroy(id, model)),
    ])
    if (refused.length === 0) return
    await writes.write({ upserts: refused, unconditional: [], destroys: [], destroyedSessions: [] })
  }

  /** A row of Postgres as it is now, whatever the unit has read. */
  async function findNow(model: ModelName, id: Buffer): Promise<Stored | undefined> {
    const stored = (await reads.find(id))?.artifact
    return stored && (await isLiving(model, stored)) ? stored : undefined
  }

  function forget(unit: Unit): void {
    for (const written of [unit.upserts, unit.unconditional, unit.destroyed, unit.lost]) written.clear()
    unit.known.clear()
    unit.isSessionDestroyed = false
    unit.isSpending = false
    unit.presented = undefined
    unit.issuedRefreshToken = undefined
  }

  /** Throws StaleBrowser when a browser's request comes too late: its session was renamed or ended, or the account was reset. */
  async function flush(unit: Unit): Promise<void> {
    const { upserts, unconditional, destroyed, revoked, lost } = unit
    if (upserts.size + unconditional.size + destroyed.size + revoked.size + lost.size === 0) return
    const { isMet, unmet } = await write(unit)
    const { decision } = unit
    forget(unit)
    if (!isMet && unmet) throw new StaleBrowser(unmet === 'outcome' && decision ? 'answer' : unmet)
  }

  return {
    find,
    expect,
    findByUid,
    findByUserCode,
    upsert,
    consume,
    destroy,
    denyLost,
    revokeByGrantId,
    transaction,
    isWithinGrace,
    write,
    forget,
    flush,
    findNow,

    /** Whether the living token of the family has every scope of what was presented. */
    isCovered: ({ payload }: Presented, living: Stored): boolean =>
      payload.scope === undefined || commonScope(payload, open(living) ?? {}) === payload.scope,
  }
}
