/** Revocation by session, account, client, grant and time, in the caller's transaction. */
import { randomBytes } from 'node:crypto'
import { rowId } from '../../adapters/digest.ts'
import type { ArtifactStore } from '../../adapters/index.ts'
import { describeWith } from '../support/programs.ts'
import type { TestEngine } from './engine.ts'
import { startEngine } from './engine.ts'
import type { TestStores } from './stores.ts'
import { createTestStores, storeKinds } from './stores.ts'

const newId = () => randomBytes(32).toString('base64url')

for (const { kind, name, needs } of storeKinds.filter(({ kind }) => kind !== 'cluster')) {
  describeWith(needs, `ending on ${name}`, () => {
    let stores: TestStores
    let engine: TestEngine
    let other: ArtifactStore

    beforeAll(async () => {
      stores = await createTestStores(kind)
      engine = await startEngine(await stores.open())
      // Another process must see each revocation.
      other = await stores.open()
    })
    afterEach(() => {
      stores.clock.advance(1)
      expect(engine.failures).toEqual([])
    })
    afterAll(async () => {
      await engine.close()
      await stores.close()
    })

    type Ending = (tx: Parameters<ArtifactStore['endSession']>[0]) => Promise<unknown>
    const end = (work: Ending) => stores.database.transaction(work)

    async function signedIn(options: Parameters<typeof engine.issueCode>[0] = {}) {
      const issued = await engine.issueCode(options)
      const { body } = await engine.redeem(issued.code, { client_id: options.clientId ?? 'spa' })
      return { ...issued, accessToken: body.access_token, refreshToken: body.refresh_token }
    }
    type SignedIn = Awaited<ReturnType<typeof signedIn>>

    const works = async ({ accessToken, refreshToken }: SignedIn) => [
      await engine.isActive(accessToken),
      await engine.isActive(refreshToken),
    ]
    const both = [true, true]
    const neither = [false, false]

    test('the end of a session ends the tokens without offline access, and no others', async () => {
      const online = await signedIn()
      const offline = await signedIn({ scope: 'openid offline_access' })
      const bystander = await signedIn()
      await end(async (tx) => {
        await other.endSession(tx, online.sessionUid)
        await other.endSession(tx, offline.sessionUid)
      })
      expect(await works(online)).toEqual(neither)
      expect(await engine.provider.Session.findByUid(online.sessionUid)).toBeUndefined()
      expect(await engine.provider.Session.find(online.sessionId)).toBeUndefined()
      expect(await works(offline)).toEqual(both)
      expect((await engine.refresh(offline.refreshToken)).status).toBe(200)
      expect(await works(bystander)).toEqual(both)
    })

    test('an access token of a family with offline access stays valid after the session, although its own scope lacks offline_access', async () => {
      const offline = await signedIn({ scope: 'openid offline_access' })
      const { body } = await engine.refresh(offline.refreshToken, { scope: 'openid' })
      await end((tx) => other.endSession(tx, offline.sessionUid))
      expect(await engine.isActive(body.access_token)).toBe(true)
    })

    describe('a request that began before an end and writes after it', () => {
      let ending: ArtifactStore
      beforeAll(async () => {
        ending = await stores.open()
      })

      type Ended = { accountId: string; clientId: string }
      const each: [string, (store: ArtifactStore, ended: Ended) => Ending][] = [
        [
          'of a person',
          (store, { accountId }) =>
            (tx) =>
              store.endAccount(tx, accountId),
        ],
        [
          'of a client',
          (store, { clientId }) =>
            (tx) =>
              store.endClient(tx, clientId),
        ],
        [
          'of a consent',
          (store, { accountId, clientId }) =>
            (tx) =>
              store.endGrantsOf(tx, accountId, clientId),
        ],
        ['of everything', (store) => (tx) => store.endAll(tx)],
      ]

      async function write(endBy: ArtifactStore, work: (store: ArtifactStore, ended: Ended) => Ending) {
        const ended = { accountId: newId(), clientId: newId() }
        const grant = newId()
        await other.middleware({}, async () => {
          stores.clock.advance(10)
          await end(work(endBy, ended))
          stores.clock.advance(10)
          await other.adapter('Grant').upsert(grant, { jti: grant, kind: 'Grant', ...ended } as never, 600)
        })
        return (await other.adapter('Grant').find(grant)) !== undefined
      }

      test.each(each)('writes nothing that is valid after the end %s', async (_what, work) => {
        expect(await write(ending, work)).toBe(false)
      })

      test.each(each)('may write again after it has made the end %s itself', async (_what, work) => {
        expect(await write(other, work)).toBe(true)
      })
    })

    test('the expiry of a session ends no family', async () => {
      const online = await signedIn()
      stores.clock.advance(7200_000)
      expect(await engine.provider.Session.findByUid(online.sessionUid)).toBeUndefined()
      expect((await engine.refresh(online.refreshToken)).status).toBe(200)
    })

    test('the end of an account ends everything: sessions, families with offline access, interactions', async () => {
      const accountId = newId()
      const mine = await signedIn({ accountId, scope: 'openid offline_access' })
      const { code } = await engine.issueCode({ accountId })
      const bystander = await signedIn()
      const interactions = other.adapter('Interaction')
      const [begun, answered] = [newId(), newId()]
      await interactions.upsert(begun, { jti: begun, session: { accountId, uid: mine.sessionUid } } as never, 3600)
      await interactions.upsert(answered, { jti: answered, result: { login: { accountId } } }, 3600)
      await end((tx) => other.endAccount(tx, accountId))
      expect(await works(mine)).toEqual(neither)
      expect(await engine.provider.Session.find(mine.sessionId)).toBeUndefined()
      expect((await engine.redeem(code)).body.error).toBe('invalid_grant')
      expect(await interactions.find(begun)).toBeUndefined()
      expect(await interactions.find(answered)).toBeUndefined()
      expect(await works(bystander)).toEqual(both)
      stores.clock.advance(1)
      expect(await works(await signedIn({ accountId }))).toEqual(both)
    })

    test('the end of a client ends all its tokens, also those of client_credentials', async () => {
      const mine = await signedIn({ clientId: 'other-spa' })
      const bystander = await signedIn()
      const token = newId()
      const credentials = other.adapter('ClientCredentials')
      await credentials.upsert(token, { jti: token, clientId: 'other-spa' }, 600)
      await end((tx) => other.endClient(tx, 'other-spa'))
      expect(await engine.provider.Grant.find(mine.grantId)).toBeUndefined()
      expect((await engine.refresh(mine.refreshToken, { client_id: 'other-spa' })).body.error).toBe('invalid_grant')
      expect(await engine.isActive(mine.accessToken, 'other-spa')).toBe(false)
      expect(await credentials.find(token)).toBeUndefined()
      expect(await works(bystander)).toEqual(both)
      stores.clock.advance(1)
      await credentials.upsert(token, { jti: token, clientId: 'other-spa' }, 600)
      expect(await credentials.find(token)).toBeDefined()
    })

    test('the end of a grant ends its family, the account’s other families stay', async () => {
      const [one, two] = [await signedIn(), await signedIn()]
      await end((tx) => other.endGrantByKey(tx, rowId('Grant', one.grantId)))
      expect(await works(one)).toEqual(neither)
      expect(await works(two)).toEqual(both)
    })

    test('an end of everything ends all tokens issued up to its time, and keeps the replay protection', async () => {
      const early = await signedIn({ scope: 'openid offline_access' })
      const token = newId()
      await other.adapter('ClientCredentials').upsert(token, { jti: token, clientId: 'spa' }, 600)
      const proof = newId()
      await other.adapter('ReplayDetection').upsert(proof, { jti: proof }, 60)
      const moment = stores.clock.now()
      stores.clock.advance(1)
      const late = await signedIn()
      await end((tx) => other.endAll(tx, moment))
      expect(await works(early)).toEqual(neither)
      expect(await other.adapter('ClientCredentials').find(token)).toBeUndefined()
      expect(await works(late)).toEqual(both)
      expect(await other.adapter('ReplayDetection').find(proof)).toBeDefined()
    })

    type Scope = Parameters<ArtifactStore['endSession']>[0]
    test.each<[string, (tx: Scope, accountId: string, clientId: string) => Promise<unknown>]>([
      ['person', (tx, accountId) => other.endAccount(tx, accountId)],
      ['client', (tx, _, clientId) => other.endClient(tx, clientId)],
      ['consent', (tx, accountId, clientId) => other.endGrantsOf(tx, accountId, clientId)],
      ['moment', (tx) => other.endAll(tx)],
    ])('of a %s with many rows: all rows are invalid at the commit, and are deleted afterwards', async (_, ending) => {
      const [accountId, clientId, month] = [newId(), newId(), 2_592_000]
      const owned = await Promise.all(
        Array.from({ length: 310 }, async () => {
          const [grantId, token] = [newId(), newId()]
          await other.adapter('Grant').upsert(grantId, { jti: grantId, accountId, clientId }, month)
          await other.adapter('RefreshToken').upsert(token, { jti: token, accountId, clientId, grantId }, month)
          return { grantId, token }
        }),
      )
      const jwt = (issuedAt: number, grantId: string) =>
        other.tokenIds.seal({ accountId, clientId }, { issuedAt, grantId, sessionUid: undefined })
      const isLiving = (jti: string) => other.tokenIds.isAlive(jti, { accountId, clientId }, 'kid')
      const left = async () => {
        const { rows } = await stores.database.pool.query(
          'SELECT count(*) AS count FROM artifact WHERE account_id = $1 AND client_id = $2',
          [accountId, clientId],
        )
        return Number(rows[0].count)
      }
      const moment = stores.clock.now()
      expect(await isLiving(jwt(moment, owned[309]!.grantId))).toBe(true)
      await end((tx) => ending(tx, accountId, clientId))
      stores.clock.advance(2)
      expect(await left()).toBeGreaterThan(0)
      for (const { grantId, token } of owned.filter((_one, index) => index % 20 === 9)) {
        expect(await other.adapter('Grant').find(grantId)).toBeUndefined()
        expect(await other.adapter('RefreshToken').find(token)).toBeUndefined()
        await expect(other.adapter('RefreshToken').consume(token)).rejects.toThrow()
        // Signed by a request that was in flight.
        expect(await isLiving(jwt(stores.clock.now(), grantId))).toBe(false)
      }
      const later = newId()
      await other.adapter('Grant').upsert(later, { jti: later, accountId, clientId }, month)
      // The time of the revocation is stored as long as rows are left.
      stores.clock.advance(26 * 60 * 60 * 1000)
      await other.sweep(10_000)
      expect(await other.adapter('RefreshToken').find(owned[309]!.token)).toBeUndefined()
      // A pass that ends too early leaves the rest to the next one.
      let asked = 0
      await other.removeLeftovers(() => asked++ > 0)
      expect(await left()).toBeGreaterThan(1)
      await other.removeLeftovers(() => false)
      expect(await left()).toBe(1)
    })

    test('a session that continues after an end is distinguished from those of the same millisecond', async () => {
      const accountId = newId()
      const [kept, ended] = [await engine.issueCode({ accountId }), await engine.issueCode({ accountId })]
      await end((tx) => other.endAccount(tx, accountId, { sessionUid: kept.sessionUid }))
      stores.clock.advance(60_000)
      await other.removeLeftovers(() => false)
      expect(await engine.provider.Session.find(kept.sessionId)).toBeDefined()
      expect(await engine.provider.Session.find(ended.sessionId)).toBeUndefined()
    })

    test('an end has no effect when its transaction is rolled back', async () => {
      const mine = await signedIn()
      const undone = end(async (tx) => {
        await other.endSession(tx, mine.sessionUid)
        await other.endAccount(tx, 'alice')
        throw new Error('changed my mind')
      })
      await expect(undone).rejects.toThrow('changed my mind')
      expect(await works(mine)).toEqual(both)
      expect(await engine.provider.Session.find(mine.sessionId)).toBeDefined()
    })

    test('a session that ends while a request is in flight is not restored by what the request saves', async () => {
      const { sessionId, sessionUid } = await engine.issueCode()
      const grantId = newId()
      const late = engineRequest(other, async () => {
        expect(await other.adapter('Session').find(sessionId)).toBeDefined()
        await other.adapter('Grant').upsert(grantId, { jti: grantId }, 60)
        await other.adapter('Session').upsert(sessionId, { jti: sessionId, uid: sessionUid }, 60)
        await end((tx) => other.endSession(tx, sessionUid))
      })
      await expect(late).rejects.toMatchObject({ code: 'browser_stale', reason: 'session' })
      expect(await other.adapter('Session').find(sessionId)).toBeUndefined()
      expect(await other.adapter('Grant').find(grantId)).toBeUndefined()
    })

    test('a request may destroy its own session and save an interaction', async () => {
      const { sessionId, sessionUid } = await engine.issueCode()
      const id = newId()
      await engineRequest(other, async () => {
        await other.adapter('Session').findByUid(sessionUid)
        await other.adapter('Session').destroy(sessionId)
        await other.adapter('Interaction').upsert(id, { jti: id }, 60)
        await end((tx) => other.endSession(tx, sessionUid))
      })
      expect(await other.adapter('Interaction').find(id)).toBeDefined()
    })

    test('a session whose id changes stays the same session', async () => {
      const { sessionId, sessionUid } = await engine.issueCode()
      const next = newId()
      await engineRequest(other, async () => {
        await other.adapter('Session').find(sessionId)
        await other.adapter('Session').destroy(sessionId)
        await other.adapter('Session').upsert(next, { jti: next, uid: sessionUid }, 60)
      })
      expect(await other.adapter('Session').find(sessionId)).toBeUndefined()
      expect(await other.adapter('Session').findByUid(sessionUid)).toMatchObject({ jti: next })
    })

    test('a request reads its own writes, and stores nothing when it fails', async () => {
      const id = newId()
      const failing = engineRequest(other, async () => {
        await other.adapter('Grant').upsert(id, { jti: id, acr: 'new' }, 60)
        expect(await other.adapter('Grant').find(id)).toEqual({ jti: id, acr: 'new' })
        throw new Error('no')
      })
      await expect(failing).rejects.toThrow('no')
      expect(await other.adapter('Grant').find(id)).toBeUndefined()
    })
  })
}

const engineRequest = (store: ArtifactStore, work: () => Promise<unknown>) => store.middleware({}, work)
