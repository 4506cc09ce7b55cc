/**
 * Single use under concurrency, with two servers: codes (RFC 6749 §4.1.2) and refresh tokens (RFC
 * 9700 §4.14.2).
 */
import { rowId } from '../../adapters/digest.ts'
import type { ArtifactStore } from '../../adapters/index.ts'
import type { Tx } from '../../src/database/database.ts'
import { describeWith } from '../support/programs.ts'
import type { Answer, TestEngine } from './engine.ts'
import { startEngine } from './engine.ts'
import type { TestStores } from './stores.ts'
import { createTestStores, storeKinds } from './stores.ts'

const times = 50

for (const { kind, name, needs } of storeKinds) {
  describeWith(needs, `two servers on ${name}`, () => {
    let stores: TestStores
    let engines: [TestEngine, TestEngine]

    beforeAll(async () => {
      stores = await createTestStores(kind)
      engines = [await startEngine(await stores.open()), await startEngine(await stores.open())]
    })
    beforeEach(() => {
      stores.setGraceSeconds(30)
      stores.familyEnds.length = 0
      for (const engine of engines) engine.successes.length = 0
    })
    afterAll(async () => {
      for (const engine of engines) await engine.close()
      await stores.close()
    })
    afterEach(() => {
      expect(engines.flatMap((engine) => engine.failures)).toEqual([])
    })

    const atOnce = (ask: (engine: TestEngine) => Promise<Answer>): Promise<Answer[]> =>
      Promise.all(Array.from({ length: times }, (_, index) => ask(engines[index % 2 === 0 ? 0 : 1])))

    const successes = () => engines.flatMap((engine) => engine.successes).length

    async function leftOf(grantId: string): Promise<number> {
      const [engine] = engines
      const { rows } = await stores.database.pool.query(
        'SELECT count(*) AS count FROM artifact WHERE grant_key IS NOT NULL',
      )
      expect(await engine.provider.Grant.find(grantId)).toBeUndefined()
      return Number(rows[0].count)
    }

    async function family() {
      const [engine] = engines
      const { code, grantId } = await engine.issueCode()
      const { status, body } = await engine.redeem(code)
      expect(status).toBe(200)
      return { grantId, code, first: body.refresh_token, accessToken: body.access_token }
    }

    const living = async (token: string | undefined): Promise<boolean> => engines[1].isActive(token)

    test(`of ${times} concurrent redemptions of one code exactly one succeeds, and the others end its tokens`, async () => {
      await stores.database.pool.query('DELETE FROM artifact')
      for (let round = 0; round < 5; round += 1) {
        const { code, grantId } = await engines[0].issueCode()
        const answers = await atOnce((engine) => engine.redeem(code))
        const won = answers.filter(({ status }) => status === 200)
        const lost = answers.filter(({ status }) => status !== 200)
        expect(won).toHaveLength(1)
        for (const { status, body } of lost) expect([status, body.error]).toEqual([400, 'invalid_grant'])
        expect(await living(won[0]?.body.access_token)).toBe(false)
        expect((await engines[1].refresh(won[0]?.body.refresh_token)).body.error).toBe('invalid_grant')
        expect(await leftOf(grantId)).toBe(0)
        expect(successes()).toBe(round + 1)
        expect(stores.familyEnds).toHaveLength(round + 1)
        expect(stores.familyEnds[round]).toEqual({
          reason: 'code_reused',
          accountId: 'alice',
          clientId: 'spa',
          presentedBy: 'spa',
        })
      }
    })

    test(`${times} concurrent uses of one refresh token all get the same successor, and exactly one token is valid`, async () => {
      const { first, grantId } = await family()
      let current = first
      for (let round = 0; round < 3; round += 1) {
        const answers = await atOnce((engine) => engine.refresh(current))
        expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
        const next = new Set(answers.map(({ body }) => body.refresh_token))
        expect(next.size).toBe(1)
        expect(new Set(answers.map(({ body }) => body.access_token)).size).toBe(times)
        for (const { body } of answers.slice(0, 4)) expect(await living(body.access_token)).toBe(true)
        expect(await living(current)).toBe(false)
        current = [...next][0]
        expect(await living(current)).toBe(true)
      }
      expect(stores.familyEnds).toEqual([])
      const { rows } = await stores.database.pool.query(
        'SELECT count(*) AS count FROM artifact WHERE model = 4 AND consumed_at IS NULL AND grant_key = $1',
        [await grantKeyOf(grantId)],
      )
      expect(Number(rows[0].count)).toBe(1)
    })

    test('without a window, of concurrent uses of one refresh token one succeeds and the family ends', async () => {
      stores.setGraceSeconds(0)
      const { first } = await family()
      const answers = await atOnce((engine) => engine.refresh(first))
      const won = answers.filter(({ status }) => status === 200)
      expect(won).toHaveLength(1)
      for (const { status, body } of answers)
        if (status !== 200) expect([status, body.error]).toEqual([400, 'invalid_grant'])
      expect(await living(won[0]?.body.refresh_token)).toBe(false)
      expect(await living(won[0]?.body.access_token)).toBe(false)
      expect(stores.familyEnds.map(({ reason }) => reason)).toEqual(['refresh_token_reused'])
    })

    test('a family that is ended during a refresh leaves no valid token', async () => {
      for (let round = 0; round < 10; round += 1) {
        const { first, grantId } = await family()
        let current = first
        const refreshing = (async () => {
          const issued: (string | undefined)[] = []
          for (;;) {
            const { status, body } = await engines[0].refresh(current)
            if (status !== 200) return issued
            issued.push(body.refresh_token, body.access_token)
            current = body.refresh_token
          }
        })()
        await new Promise((resolve) => setImmediate(resolve))
        const store = await stores.open()
        await stores.database.transaction((tx) => store.endGrantByKey(tx, rowId('Grant', grantId)))
        for (const token of await refreshing) expect(await living(token)).toBe(false)
        await removeLeftovers(store)
        expect(await rowsOf(grantId)).toBe(0)
      }
    })

    test.each([
      ['person', (store: ArtifactStore, tx: Tx) => store.endAccount(tx, 'alice')],
      ['client', (store: ArtifactStore, tx: Tx) => store.endClient(tx, 'spa')],
    ])('tokens that a redemption writes while its %s is ended are ended too', async (_, end) => {
      const { code, grantId } = await engines[0].issueCode()
      const grantKey = await grantKeyOf(grantId)
      const store = await stores.open()
      // A redemption that waits between its write and its commit.
      const redemption = await stores.database.knex.transaction()
      await redemption('artifact')
        .where({ id: rowId('AuthorizationCode', code) })
        .update({ consumed_at: 1 })
      const issued = {
        id: rowId('RefreshToken', code),
        model: 4,
        grant_key: grantKey,
        issued_at: 1,
        payload: Buffer.alloc(1),
      }
      await redemption('artifact').insert(issued)
      // The revocation waits for no request. Rows that the request writes are revoked; the last
      // pass removes them.
      await stores.database.transaction((tx) => end(store, tx))
      await redemption.commit()
      expect(await engines[0].provider.Grant.find(grantId)).toBeUndefined()
      expect(await living(code)).toBe(false)
      await removeLeftovers(store)
      expect(await rowsOf(grantId)).toBe(0)
    })

    test('accounts and clients that are ended during a refresh block no request and leave no valid token', async () => {
      for (let round = 0; round < 4; round += 1) {
        const families = await Promise.all(Array.from({ length: 12 }, family))
        const issued: (string | undefined)[] = []
        const refreshing = families.map(async ({ first }, index) => {
          const { status, body } = await engines[index % 2 === 0 ? 0 : 1].refresh(first)
          expect([200, 400]).toContain(status)
          if (status === 200) issued.push(body.access_token, body.refresh_token)
        })
        const [one, two] = await Promise.all([stores.open(), stores.open()])
        await Promise.all([
          ...refreshing,
          stores.database.transaction((tx) => one.endAccount(tx, 'alice')),
          stores.database.transaction((tx) => two.endClient(tx, 'spa')),
          ...families
            .slice(0, 6)
            .map(({ grantId }) => stores.database.transaction((tx) => two.endGrantByKey(tx, rowId('Grant', grantId)))),
        ])
        for (const token of issued) expect(await living(token)).toBe(false)
        await removeLeftovers(one)
        for (const { grantId } of families) expect(await rowsOf(grantId)).toBe(0)
      }
    })

    async function removeLeftovers(store: ArtifactStore): Promise<void> {
      stores.clock.advance(60_000)
      await store.removeLeftovers(() => false)
    }

    async function grantKeyOf(grantId: string): Promise<Buffer> {
      return rowId('Grant', grantId)
    }

    async function rowsOf(grantId: string): Promise<number> {
      const { rows } = await stores.database.pool.query('SELECT count(*) AS count FROM artifact WHERE grant_key = $1', [
        await grantKeyOf(grantId),
      ])
      return Number(rows[0].count)
    }
  })
}
