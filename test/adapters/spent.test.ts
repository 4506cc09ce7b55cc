/**
 * A spent refresh token is kept whole during its window; after it, only the data to detect reuse
 * stays (RFC 9700 §4.14.2).
 */
import type { ArtifactStore } from '../../adapters/index.ts'
import type { Outages } from '../../src/database/outages.ts'
import { createOutages } from '../../src/database/outages.ts'
import { createLog } from '../../src/log.ts'
import { describeWith } from '../support/programs.ts'
import type { Answer, TestEngine } from './engine.ts'
import { startEngine } from './engine.ts'
import type { TestStores } from './stores.ts'
import { createTestStores, storeKinds } from './stores.ts'

const log = createLog({ level: 'silent' })
const refused = (answer: Answer) => expect([answer.status, answer.body.error]).toEqual([400, 'invalid_grant'])
const never = () => false

for (const { kind, name, needs } of storeKinds.filter(({ kind }) => kind !== 'cluster')) {
  describeWith(needs, `spent refresh tokens on ${name}`, () => {
    let stores: TestStores
    let store: ArtifactStore
    let engine: TestEngine
    let outages: Outages

    beforeAll(async () => {
      stores = await createTestStores(kind)
      const { clock, database } = stores
      outages = createOutages({ db: database.knex, clock, log })
      const { graceBegins, graceWindowsClosedUntil } = outages
      store = await stores.open({ graceBegins, graceWindowsClosedUntil })
      engine = await startEngine(store)
      // The first heartbeat of a process does not report since when the database has answered.
      await outages.heartbeat()
    })
    beforeEach(async () => {
      stores.familyEnds.length = 0
      await outages.heartbeat()
    })
    afterEach(() => expect(engine.failures).toEqual([]))
    afterAll(async () => {
      await engine.close()
      await stores.close()
    })

    /** A family after one rotation: its spent token and its valid one. */
    async function turned(accountId = 'alice') {
      const token = (await engine.redeem((await engine.issueCode({ accountId })).code)).body.refresh_token
      const { body } = await engine.refresh(token)
      return { spent: token, living: body.refresh_token, accessToken: body.access_token }
    }

    /** Advances the clock while a process writes its heartbeats. */
    async function pass(ms: number): Promise<void> {
      const until = stores.clock.now() + ms
      while (stores.clock.now() < until) {
        stores.clock.advance(Math.min(4_000, until - stores.clock.now()))
        await outages.heartbeat()
      }
    }

    /** Enough passes to read every page of the test tables. Returns the number of trimmed rows. */
    async function sweep(): Promise<number> {
      let count = 0
      for (let turns = 0; turns < 10; turns += 1) count += await store.trimSpent(never)
      return count
    }

    /** The payload length of each spent row, and whether it has a successor. */
    async function spentRows(): Promise<{ bytes: number; has_successor: boolean }[]> {
      const { rows } = await stores.database.pool.query(`
        SELECT octet_length(payload) AS bytes, successor IS NOT NULL AS has_successor FROM artifact
        WHERE consumed_at IS NOT NULL AND model = 4 ORDER BY consumed_at DESC`)
      return rows
    }

    test('the sweep keeps a spent token during its repeat window', async () => {
      const { spent, living } = await turned()
      const [before] = await spentRows()
      await pass(29_000)
      await sweep()
      expect((await spentRows())[0]).toEqual(before)
      expect((await engine.refresh(spent)).body.refresh_token).toBe(living)
    })

    test('after the window the sweep removes the data for a repeat, and a reuse still ends the family and names its account', async () => {
      for (const [clientId, reason] of [
        ['spa', 'refresh_token_reused'],
        ['other-spa', 'other_client'],
      ] as const) {
        stores.familyEnds.length = 0
        const { spent, living, accessToken } = await turned()
        const [before] = await spentRows()
        await pass(7 * 60_000)
        expect(await sweep()).toBeGreaterThan(0)
        const [after] = await spentRows()
        expect(after?.has_successor).toBe(false)
        expect(after?.bytes).toBeLessThan(before!.bytes)
        expect(await engine.isActive(living)).toBe(true)
        refused(await engine.refresh(spent, { client_id: clientId }))
        refused(await engine.refresh(living))
        expect(await engine.isActive(accessToken)).toBe(false)
        expect(stores.familyEnds).toEqual([{ reason, accountId: 'alice', clientId: 'spa', presentedBy: clientId }])
      }
    })

    test('after the sweep the family continues, and the revocation of a spent token ends it (RFC 7009 §2.1)', async () => {
      const { spent, living } = await turned()
      await pass(7 * 60_000)
      await sweep()
      expect(await engine.isActive(spent)).toBe(false)
      const { body } = await engine.refresh(living)
      expect(body.refresh_token).toEqual(expect.any(String))
      expect((await engine.revoke(spent)).status).toBe(200)
      refused(await engine.refresh(body.refresh_token))
    })

    test('an outage that reopens the window keeps the data for a repeat, also when the outage is recorded late', async () => {
      const { spent, living } = await turned()
      // No heartbeat for an hour: the processes or the database are down.
      stores.clock.advance(60 * 60_000)
      await sweep()
      expect((await spentRows())[0]?.has_successor).toBe(true)
      const returned = createOutages({ db: stores.database.knex, clock: stores.clock, log })
      await returned.heartbeat()
      await outages.heartbeat()
      await sweep()
      expect((await engine.refresh(spent)).body.refresh_token).toBe(living)

      await pass(7 * 60_000)
      await sweep()
      expect((await spentRows())[0]?.has_successor).toBe(false)
      refused(await engine.refresh(spent))
      refused(await engine.refresh(living))
      expect(stores.familyEnds).toMatchObject([{ reason: 'refresh_token_reused' }])
    })

    test('a revocation by an operator ends a family with swept tokens', async () => {
      const accountId = `person ${Math.random()}`
      const first = await turned(accountId)
      stores.clock.advance(1)
      const second = await turned(accountId)
      await pass(7 * 60_000)
      await sweep()
      const { grants } = await store.listAccess(accountId)
      expect(grants.map(({ clientId }) => clientId)).toEqual(['spa', 'spa'])
      const { transaction, pool } = stores.database
      // The newest grant is listed first.
      await transaction((tx) => store.endGrantByKey(tx, grants[0]!.key))
      refused(await engine.refresh(second.living))
      expect((await engine.refresh(first.living)).status).toBe(200)
      await transaction((tx) => store.endAccount(tx, accountId))
      refused(await engine.refresh(first.living))
      const { rows } = await pool.query('SELECT FROM artifact WHERE account_id = $1', [accountId])
      expect(rows).toEqual([])
      expect(stores.familyEnds).toEqual([])
    })

    test('the sweep handles more rows than one batch, and a stopped run removes nothing', async () => {
      const family = await turned()
      const tokens = [family.spent, family.living]
      for (let turns = 0; turns < 700; turns += 1) {
        tokens.push((await engine.refresh(tokens.at(-1))).body.refresh_token)
      }
      await pass(7 * 60_000)
      expect(await store.trimSpent(() => true)).toBe(0)
      expect(await sweep()).toBe(701)
      expect((await spentRows()).some((row) => row.has_successor)).toBe(false)
      expect(await engine.isActive(tokens.at(-1))).toBe(true)
      refused(await engine.refresh(tokens[350]))
      refused(await engine.refresh(tokens.at(-1)))
    })

    test('a run of the sweep reads a part of a large table, and the next run continues behind it', async () => {
      const { pool } = stores.database
      const families = await Promise.all(Array.from({ length: 10 }, () => turned()))
      // 2,000 pages of other rows, three in a page.
      await pool.query(`
        INSERT INTO artifact (id, model, issued_at, payload, expires_at)
        SELECT sha256(convert_to('other ' || n, 'UTF8')), 2, 0, convert_to(repeat(md5(n::text), 58), 'UTF8'), 9e15
        FROM generate_series(1, 6000) AS n`)
      families.push(await turned())
      await pass(7 * 60_000)
      const position = async () => {
        const { rows } = await pool.query(
          `SELECT next_page, pg_relation_size('artifact') / 8192 AS pages FROM spent_sweep`,
        )
        return { page: Number(rows[0].next_page), pages: Number(rows[0].pages) }
      }
      await pool.query('UPDATE spent_sweep SET next_page = 0')
      await store.trimSpent(never)
      const { page, pages } = await position()
      expect(page).toBeGreaterThanOrEqual(256)
      expect(page).toBeLessThan(pages / 4)
      await store.trimSpent(never)
      expect((await position()).page).toBeGreaterThanOrEqual(page + 256)
      for (let turns = 2; turns < pages / 256; turns += 1) await store.trimSpent(never)
      expect((await position()).page).toBeLessThan(384)
      expect((await spentRows()).some((row) => row.has_successor)).toBe(false)
      for (const { spent } of families) refused(await engine.refresh(spent))
      expect(stores.familyEnds).toHaveLength(11)
    })
  })
}
