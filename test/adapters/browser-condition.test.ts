/** A browser's request is written only if its session, generation and interaction are unchanged. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { randomBytes } from 'node:crypto'
import { rowId } from '../../adapters/digest.ts'
import { trims } from '../../adapters/postgres/write-statements.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { startLatchkey } from '../support/latchkey.ts'
import { describeWith } from '../support/programs.ts'
import { startRedis } from '../support/redis.ts'
import { waitFor } from '../support/wait.ts'

const newId = () => randomBytes(16).toString('hex')

function suite(open: () => Promise<{ server: Latchkey; other: Latchkey; close: () => Promise<unknown> }>) {
  let server: Latchkey
  /** Another server on the same database. */
  let other: Latchkey
  let close: () => Promise<unknown>
  beforeAll(async () => {
    const opened = await open()
    server = opened.server
    other = opened.other
    close = opened.close
  })
  afterAll(() => close?.())

  const artifacts = () => server.parts.artifacts
  const adapter = (model: string) => artifacts().adapter(model)
  const request = (work: () => Promise<unknown>) => artifacts().middleware({}, work)
  const end = <T>(work: Parameters<typeof server.database.transaction<T>>[0]) => server.database.transaction(work)

  const decide = (uid: string, answer: string) =>
    server.database.transaction((tx) => artifacts().outcomes.decide(tx, uid, answer))

  async function newAccount() {
    const email = `${newId()}@people.example`
    const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const
    const id = await server.parts.accounts.create({ email, isEmailVerified: true }, operator)
    return { id, raise: () => end((tx) => tx('account').where({ id }).increment('generation', 1)) }
  }

  const putInteraction = (uid: string, accountId: string, generation: number | undefined) =>
    adapter('Interaction').upsert(
      uid,
      { jti: uid, kind: 'Interaction', result: { login: { accountId, generation } } } as never,
      600,
    )

  const session = (id: string, uid: string, accountId?: string) =>
    ({ jti: id, uid, kind: 'Session', ...(accountId !== undefined && { accountId }) }) as never

  /** Resumes the interaction with a new session and a grant, as the engine does. */
  async function resume(uid: string, accountId: string, meanwhile: () => Promise<unknown> = async () => {}) {
    const ids = { session: newId(), sessionUid: newId(), grant: newId() }
    const done = request(async () => {
      artifacts().resumes(uid, () => `response to ${ids.session}`)
      expect(await adapter('Interaction').find(uid)).toBeDefined()
      await adapter('Interaction').destroy(uid)
      await adapter('Grant').upsert(ids.grant, { jti: ids.grant, kind: 'Grant', accountId } as never, 600)
      await adapter('Session').upsert(ids.session, session(ids.session, ids.sessionUid, accountId), 600)
      await meanwhile()
    })
    return { ...ids, done }
  }

  const exists = async ({ session: id, grant }: { session: string; grant: string }) => [
    (await adapter('Session').find(id)) !== undefined,
    (await adapter('Grant').find(grant)) !== undefined,
  ]

  test('a sign-in in the generation in which it began stores a session and a grant', async () => {
    const { id } = await newAccount()
    const uid = newId()
    await putInteraction(uid, id, 0)
    const resumed = await resume(uid, id)
    await resumed.done
    expect(await exists(resumed)).toEqual([true, true])
  })

  test.each([
    ['before the request', true],
    ['while the request is under way', false],
  ])('a sign-in stores no session and no grant when the account is reset %s', async (_when, isBefore) => {
    const { id, raise } = await newAccount()
    const uid = newId()
    await putInteraction(uid, id, 0)
    if (isBefore) await raise()
    const resumed = await resume(uid, id, isBefore ? undefined : raise)
    await expect(resumed.done).rejects.toMatchObject({ code: 'browser_stale', reason: 'account' })
    expect(await exists(resumed)).toEqual([false, false])
    // The interaction of the failed request still exists.
    expect(await adapter('Interaction').find(uid)).toBeDefined()
  })

  test('a sign-in that an older version without generations began has generation 0', async () => {
    const { id, raise } = await newAccount()
    const [early, late] = [newId(), newId()]
    await putInteraction(early, id, undefined)
    await putInteraction(late, id, undefined)
    const resumed = await resume(early, id)
    await resumed.done
    expect(await exists(resumed)).toEqual([true, true])
    await raise()
    await expect((await resume(late, id)).done).rejects.toMatchObject({ reason: 'account' })
  })

  test('a request during an account reset waits for the reset, and writes nothing', async () => {
    const { id } = await newAccount()
    const uid = newId()
    await putInteraction(uid, id, 0)
    let resumed = { session: '', grant: '' }
    let settled: Promise<unknown> = Promise.resolve()
    const elsewhere = AsyncLocalStorage.bind(resume)
    await end(async (tx) => {
      await tx('account').where({ id }).increment('generation', 1)
      const { done, ...ids } = await elsewhere(uid, id)
      resumed = ids
      settled = done.catch((error: unknown) => error)
      const [{ pid }] = (await tx.raw('SELECT pg_backend_pid() AS pid')).rows
      await waitFor(async () => {
        const { rows } = await tx.raw('SELECT 1 FROM pg_stat_activity WHERE ? = ANY(pg_blocking_pids(pid))', [pid])
        return rows.length > 0
      })
    })
    expect(await settled).toMatchObject({ code: 'browser_stale', reason: 'account' })
    expect(await exists(resumed)).toEqual([false, false])
  })

  test('an account reset ends the session that a request wrote just before', async () => {
    const { id } = await newAccount()
    const uid = newId()
    await putInteraction(uid, id, 0)
    const resumed = await resume(uid, id)
    await resumed.done
    await end((tx) => artifacts().endAccount(tx, id))
    expect(await exists(resumed)).toEqual([false, false])
  })

  /** A session of a signed-in account. */
  async function signedIn() {
    const account = await newAccount()
    const uid = newId()
    await putInteraction(uid, account.id, 0)
    const resumed = await resume(uid, account.id)
    await resumed.done
    return { ...account, ...resumed }
  }

  /** A request in the session, which it renames when `renamed` is given. */
  const requestIn = (
    { session: id, sessionUid, id: accountId }: Awaited<ReturnType<typeof signedIn>>,
    {
      grant,
      renamed,
      meanwhile = async () => {},
      at = server,
    }: { grant: string; renamed?: string; meanwhile?: () => Promise<unknown>; at?: Latchkey },
  ) => {
    const store = at.parts.artifacts
    return store.middleware({}, async () => {
      const [sessions, grants] = [store.adapter('Session'), store.adapter('Grant')]
      expect(await sessions.find(id)).toBeDefined()
      await meanwhile()
      await grants.upsert(grant, { jti: grant, kind: 'Grant', accountId } as never, 600)
      if (renamed !== undefined) await sessions.destroy(id)
      const name = renamed ?? id
      await sessions.upsert(name, session(name, sessionUid, accountId), 600)
    })
  }

  test('a request in a session writes nothing when the account is reset during the request', async () => {
    const mine = await signedIn()
    const grant = newId()
    await expect(requestIn(mine, { grant, meanwhile: mine.raise })).rejects.toMatchObject({ reason: 'account' })
    expect(await adapter('Grant').find(grant)).toBeUndefined()
  })

  test('a session that another request renamed is not stored again under its old id', async () => {
    const mine = await signedIn()
    const [grant, renamed] = [newId(), newId()]
    const rename = () =>
      end((tx) =>
        artifacts().renameSession(
          tx,
          { uid: mine.sessionUid, id: mine.session },
          { accountId: mine.id, generation: 0, id: renamed },
        ),
      )
    await expect(requestIn(mine, { grant, meanwhile: rename })).rejects.toMatchObject({ reason: 'session' })
    expect(await adapter('Session').find(mine.session)).toBeUndefined()
    expect(await adapter('Session').find(renamed)).toBeDefined()
    expect(await adapter('Grant').find(grant)).toBeUndefined()
  })

  test('an interaction that began before an account reset is not finished in the session that survives the reset', async () => {
    const mine = await signedIn()
    const uid = newId()
    await request(async () => {
      await adapter('Session').find(mine.session)
      const begun = { jti: uid, kind: 'Interaction', session: { accountId: mine.id, uid: mine.sessionUid } }
      await adapter('Interaction').upsert(uid, begun as never, 600)
    })
    const renamed = newId()
    await end(async (tx) => {
      await tx('account').where({ id: mine.id }).increment('generation', 1)
      const loaded = { uid: mine.sessionUid, id: mine.session }
      await artifacts().renameSession(tx, loaded, { accountId: mine.id, generation: 1, id: renamed })
    })
    // An answer after the reset: the interaction is saved again with its original generation.
    await request(async () => {
      await adapter('Session').find(renamed)
      const begun = await adapter('Interaction').find(uid)
      await adapter('Interaction').upsert(uid, { ...begun, result: { consent: {} } } as never, 600)
    })
    const resumed = request(async () => {
      artifacts().resumes(uid, () => 'response')
      expect(await adapter('Session').find(renamed)).toBeDefined()
      await adapter('Interaction').find(uid)
      await adapter('Interaction').destroy(uid)
      await adapter('Session').upsert(renamed, session(renamed, mine.sessionUid, mine.id), 600)
    })
    await expect(resumed).rejects.toMatchObject({ reason: 'account' })
  })

  test('an interaction that follows a sign-in has the generation of that sign-in', async () => {
    const { id } = await newAccount()
    const [login, consent] = [newId(), newId()]
    await putInteraction(login, id, 3)
    await request(async () => {
      await adapter('Interaction').find(login)
      const begun = { jti: consent, kind: 'Interaction', session: { accountId: id, uid: newId() } }
      await adapter('Interaction').upsert(consent, begun as never, 600)
    })
    expect(await adapter('Interaction').find(consent)).toMatchObject({ generation: 3 })
  })

  test('of concurrent requests that rename a session only one succeeds; requests that do not rename it may all succeed', async () => {
    const mine = await signedIn()
    const names = Array.from({ length: 12 }, newId)
    const results = await Promise.allSettled(names.map((renamed) => requestIn(mine, { grant: newId(), renamed })))
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    const living = await Promise.all(names.map((name) => adapter('Session').find(name)))
    expect(living.filter((found) => found !== undefined)).toHaveLength(1)

    const shared = await signedIn()
    const grants = Array.from({ length: 12 }, newId)
    await Promise.all(grants.map((grant) => requestIn(shared, { grant })))
    for (const grant of grants) expect(await adapter('Grant').find(grant)).toBeDefined()
  })

  test('of two processes that rename a session at the same time only one succeeds', async () => {
    const mine = await signedIn()
    const names = [newId(), newId()]
    const elsewhere = AsyncLocalStorage.snapshot()
    const waiting =
      'SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0'
    let results: Promise<PromiseSettledResult<void>[]> = Promise.resolve([])
    // The row is locked until both statements wait for it.
    await end(async (tx) => {
      await tx('artifact')
        .where({ id: rowId('Session', mine.session) })
        .forUpdate()
        .first()
      const rename = (at: Latchkey, index: number) => requestIn(mine, { grant: newId(), renamed: names[index]!, at })
      results = elsewhere(() => Promise.allSettled([server, other].map(rename)))
      await waitFor(async () => {
        // A transaction sees the statistics of its first read, so this query runs outside of it.
        const { rows } = await elsewhere(async () => other.database.knex.raw(waiting))
        return rows.length === 2
      })
    })
    expect((await results).map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    const living = await Promise.all(names.map((name) => adapter('Session').find(name)))
    expect(living.filter((found) => found !== undefined)).toHaveLength(1)
  })

  test('a session is renamed only for its account, and only from its current id', async () => {
    const mine = await signedIn()
    const other = await newAccount()
    const rename = (by: { id: string }, loaded: { uid: string; id: string }) =>
      end((tx) => artifacts().renameSession(tx, loaded, { accountId: by.id, generation: 0, id: newId() }))
    expect(await rename(other, { uid: mine.sessionUid, id: mine.session })).toBeUndefined()
    expect(await rename(mine, { uid: mine.sessionUid, id: newId() })).toBeUndefined()
    expect(await rename(mine, { uid: newId(), id: mine.session })).toBeUndefined()
    expect(await adapter('Session').find(mine.session)).toBeDefined()
    const renamed = await rename(mine, { uid: mine.sessionUid, id: mine.session })
    expect(await adapter('Session').find(renamed!.id)).toMatchObject({ jti: renamed!.id, uid: mine.sessionUid })
  })

  test('a session has at most a thousand rows of clients, and a client with many grants does not displace the others', async () => {
    const { knex } = server.database
    const mine = await signedIn()
    const sessionKey = artifacts().sessionKey(mine.sessionUid)
    const signInTo = (clientId: string, grantId: string) =>
      request(async () => {
        await adapter('Session').find(mine.session)
        const code = { kind: 'AuthorizationCode', clientId, grantId, sessionUid: mine.sessionUid, accountId: mine.id }
        await adapter('AuthorizationCode').upsert(newId(), code as never, 600)
      })
    const rowsOf = () => knex('session_client').where({ session_key: sessionKey })
    for (const clientId of ['quiet', 'silent']) await signInTo(clientId, newId())
    const busy = Array.from({ length: 1500 }, (_, index) => ({
      session_key: sessionKey,
      client_id: 'busy',
      grant_key: Buffer.alloc(32, index.toString(16).padStart(8, '0')),
      noted_at: server.clock.now() + index,
    }))
    await knex('session_client').insert(busy)
    const trimming = Array.from({ length: 500 }, newId).find((grantId) => trims(rowId('Grant', grantId)))
    await signInTo('new', trimming!)
    const rows = await rowsOf()
    expect(rows.length).toBeLessThanOrEqual(1000)
    expect([...new Set(rows.map((row) => row.client_id))].sort()).toEqual(['busy', 'new', 'quiet', 'silent'])
  })

  test('one grant id in sixteen triggers the removal of the oldest client rows', () => {
    const found = Array.from({ length: 16_000 }, (_, index) => trims(rowId('Grant', `grant ${index}`)))
    const share = found.filter(Boolean).length / found.length
    expect(share).toBeGreaterThan(0.05)
    expect(share).toBeLessThan(0.075)
  })

  test('of concurrent requests that resume an interaction one succeeds; the others get its response', async () => {
    const { id } = await newAccount()
    const uid = newId()
    await decide(uid, 'login')
    await putInteraction(uid, id, 0)
    const all = await Promise.all(Array.from({ length: 12 }, () => resume(uid, id)))
    const results = await Promise.allSettled(all.map(({ done }) => done))
    const won = all.filter((_, index) => results[index]?.status === 'fulfilled')
    expect(won).toHaveLength(1)
    for (const resumed of all) expect((await exists(resumed))[0]).toBe(resumed === won[0])
    expect(await artifacts().outcomes.findResponse(uid)).toBe(`response to ${won[0]!.session}`)
  })

  test('a request that writes nothing does not consume the interaction', async () => {
    const { id, raise } = await newAccount()
    const uid = newId()
    await decide(uid, 'login')
    await putInteraction(uid, id, 0)
    await raise()
    await expect((await resume(uid, id)).done).rejects.toMatchObject({ reason: 'account' })
    const [row] = await server.database
      .knex('interaction_outcome')
      .where({ interaction: rowId('interaction outcome', uid) })
    expect(row.resumed_at).toBeNull()
  })

  test('an answer that nothing else depends on is saved only if no other answer was given', async () => {
    const { id } = await newAccount()
    const uid = newId()
    const answer = (text: string) =>
      request(async () => {
        artifacts().setAnswer(uid, text)
        await putInteraction(uid, id, 0)
      })
    await decide(uid, 'cancel')
    await expect(answer('login')).rejects.toMatchObject({ reason: 'answer' })
    expect(await adapter('Interaction').find(uid)).toBeUndefined()
    await answer('cancel')
    expect(await adapter('Interaction').find(uid)).toBeDefined()
  })

  test('one of concurrent answers to an interaction is stored', async () => {
    const uid = newId()
    const decisions = await Promise.all(Array.from({ length: 12 }, (_, index) => decide(uid, `answer ${index}`)))
    expect(decisions.filter((decision) => decision === 'first')).toHaveLength(1)
    expect(decisions.filter((decision) => decision === 'other')).toHaveLength(11)
  })

  test('a stored response is decrypted only with the id of its interaction', async () => {
    const { id } = await newAccount()
    const uid = newId()
    await putInteraction(uid, id, 0)
    await (await resume(uid, id)).done
    const key = { interaction: rowId('interaction outcome', uid) }
    const [row] = await server.database.knex('interaction_outcome').where(key)
    const other = newId()
    await server.database
      .knex('interaction_outcome')
      .insert({ ...row, interaction: rowId('interaction outcome', other) })
    expect(await artifacts().outcomes.findResponse(uid)).toBeDefined()
    expect(await artifacts().outcomes.findResponse(other)).toBeUndefined()
  })
}

async function openTwo(env: Record<string, string> = {}) {
  const server = await startLatchkey({ env })
  const { shared, clock, issuer } = server
  const other = await startLatchkey({ env: { ...env, ISSUER: issuer }, database: shared, clock })
  return { server, other, close: () => other.stop().then(() => server.stop()) }
}

describe('on Postgres', () => suite(openTwo))

describeWith('redis-server', 'with interactions in Redis', () =>
  suite(async () => {
    const redis = await startRedis()
    const opened = await openTwo({ REDIS_URL: redis.url })
    return { ...opened, close: () => opened.close().then(redis.close) }
  }),
)
