/** Revoking everything: in effect at the first commit, removed in transactions of limited size. */
import { hkdfSync, randomBytes } from 'node:crypto'
import type { EndedSession, Tx } from '../../adapters/ended-rows.ts'
import type { ArtifactStore } from '../../adapters/index.ts'
import { createArtifactStore } from '../../adapters/index.ts'
import { createLog } from '../../src/log.ts'
import { createTestClock } from '../support/clock.ts'
import type { TestDatabase } from '../support/database.ts'
import { createTestDatabase } from '../support/database.ts'

const log = createLog({ level: 'silent' })
const deriveKey = (purpose: string) => Buffer.from(hkdfSync('sha256', 'a root secret', '', purpose, 32))
const sessionCount = 1500
const rowsAtOnce = 300
const clock = createTestClock()

let copy: TestDatabase
/** Rows that each transaction has deleted, and the sessions that it reported. */
let transactions: { deleted: number; told: string[] }[]
/** The transaction, counted from 0, in whose middle the process ends. */
let diesIn = Number.POSITIVE_INFINITY

beforeAll(async () => {
  copy = await createTestDatabase()
})
afterAll(() => copy.close())

async function deletedBy(tx: Tx): Promise<number> {
  const { rows } = await tx.raw(
    `SELECT coalesce(sum(n_tup_del), 0) AS count FROM pg_stat_xact_user_tables WHERE relname = 'artifact'`,
  )
  return Number(rows[0].count)
}

/** The store of one process. A transaction that fails is not in `transactions`. */
function openStore(): ArtifactStore {
  let told: string[] = []
  return createArtifactStore({
    pool: copy.database.pool,
    transaction: async (work) => {
      const done = await copy.database.transaction(async (tx) => {
        told = []
        // The statistics still count unreported deletions of this connection's earlier
        // transactions.
        const before = await deletedBy(tx)
        const result = await work(tx)
        return { result, deleted: (await deletedBy(tx)) - before }
      })
      if (done.deleted > 0) transactions.push({ deleted: done.deleted, told })
      return done.result
    },
    clock,
    log,
    deriveKey,
    graceSeconds: async () => 30,
    onFamilyEnded: () => {},
    onSessionsEnded: (_tx: Tx, sessions: readonly EndedSession[]) => {
      told.push(...sessions.map(({ accountId }) => accountId ?? ''))
      if (transactions.length === diesIn) throw new Error('the process dies')
    },
  })
}

const count = async (where: string): Promise<number> => {
  const { rows } = await copy.database.pool.query(`SELECT count(*) AS count FROM artifact WHERE ${where}`)
  return Number(rows[0].count)
}

test('fifteen hundred sessions end at once; their rows are removed in bounded batches, the removal resumes after a crash, and each end is reported once', async () => {
  transactions = []
  const store = openStore()
  const sessions = Array.from({ length: sessionCount }, (_, number) => ({
    id: randomBytes(32).toString('base64url'),
    payload: { uid: randomBytes(16).toString('base64url'), accountId: `person-${number}` },
  }))
  const add = ({ id, payload }: (typeof sessions)[number]) =>
    store.adapter('Session').upsert(id, { jti: id, authorizations: { web: { sid: 'x' } }, ...payload } as never, 86_400)
  await Promise.all(sessions.map(add))
  const moment = clock.now()
  clock.advance(1)
  const later = { id: randomBytes(32).toString('base64url'), payload: { uid: 'later', accountId: 'later' } }
  await add(later)

  await copy.database.transaction((tx) => store.endAll(tx, moment))
  expect(await count('model = 1')).toBeGreaterThan(sessionCount - rowsAtOnce)
  const found = await Promise.all(sessions.map(({ id }) => store.adapter('Session').find(id)))
  expect(found.filter((session) => session !== undefined)).toEqual([])

  const { rows } = await copy.database.pool.query('SELECT key FROM artifact_sweep')
  const { key } = rows[0] as { key: Buffer }
  diesIn = 2
  await expect(openStore().removeEnded(key, () => false)).rejects.toThrow('the process dies')
  diesIn = Number.POSITIVE_INFINITY
  const removed = transactions.length
  expect(removed).toBe(2)
  // Rows below the position that the first process reached are not read again before the next pass.
  const reached = await copy.database.pool.query('SELECT reached FROM artifact_sweep')
  expect(reached.rows[0].reached).toBeInstanceOf(Buffer)
  await copy.database.pool.query(
    `UPDATE artifact SET id = '\\x00' WHERE id = (SELECT max(id) FROM artifact WHERE issued_at <= $1)`,
    [moment],
  )
  expect(await openStore().removeEnded(key, () => false)).toBe(true)
  expect(await count('model = 1')).toBe(2)

  clock.advance(60_000)
  await openStore().removeLeftovers(() => false)
  expect(await count('model = 1')).toBe(1)
  expect(await store.adapter('Session').find(later.id)).toBeDefined()
  expect((await copy.database.pool.query('SELECT FROM artifact_sweep')).rowCount).toBe(0)
  for (const { deleted } of transactions) expect(deleted).toBeLessThanOrEqual(rowsAtOnce)
  const told = transactions.flatMap((transaction) => transaction.told)
  expect(new Set(told).size).toBe(told.length)
  // The sessions that the first transaction removed were reported in it.
  expect(told.length).toBeGreaterThanOrEqual(sessionCount - rowsAtOnce - 1)
})
