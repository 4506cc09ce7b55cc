/** A store that fails and recovers: no wrong answers meanwhile, and recovery without a restart. */
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { ArtifactStoreUnavailable, createArtifactStore } from '../../adapters/index.ts'
import { createDatabase } from '../../src/database/database.ts'
import { migrateUnderLock } from '../../src/database/migrate.ts'
import { createLog } from '../../src/log.ts'
import { createRedis } from '../../src/redis/connection.ts'
import { createTestClock } from '../support/clock.ts'
import { createTestDatabase } from '../support/database.ts'
import { findFreePort } from '../support/ports.ts'
import { startPostgresServer } from '../support/postgres-server.ts'
import { describeWith } from '../support/programs.ts'
import { startRedis } from '../support/redis.ts'
import { waitFor } from '../support/wait.ts'

const log = createLog({ level: 'silent' })
const newId = () => randomBytes(32).toString('base64url')

const common = {
  clock: createTestClock(),
  log,
  deriveKey: () => Buffer.alloc(32, 1),
  graceSeconds: async () => 30,
}

test('an unavailable Postgres is reported as such by every method', async () => {
  const pool = new pg.Pool({ host: '127.0.0.1', port: await findFreePort(), connectionTimeoutMillis: 500 })
  const transaction = async () => {
    await pool.query('SELECT 1')
    throw new Error('not reached')
  }
  const store = createArtifactStore({ ...common, pool, transaction })
  const adapter = store.adapter('RefreshToken')
  const asked = [
    () => adapter.find('x'),
    () => store.adapter('Session').findByUid('x'),
    () => store.adapter('DeviceCode').findByUserCode('x'),
    () => adapter.upsert('x', { jti: 'x' }, 60),
    () => adapter.consume('x'),
    () => adapter.destroy('x'),
    () => adapter.revokeByGrantId('x'),
    () => store.adapter('ReplayDetection').find('x'),
    () => store.take('x'),
    () => store.sweep(10),
  ]
  for (const ask of asked) await expect(ask()).rejects.toBeInstanceOf(ArtifactStoreUnavailable)
  await pool.end()
})

test('a failed statement of another kind is not reported as an outage', async () => {
  const { database, close } = await createTestDatabase()
  await database.pool.query('DROP TABLE artifact')
  const store = createArtifactStore({ ...common, pool: database.pool, transaction: database.transaction })
  const failed = store.adapter('Grant').find('x')
  await expect(failed).rejects.toMatchObject({ code: '42P01' })
  await expect(failed).rejects.not.toBeInstanceOf(ArtifactStoreUnavailable)
  await close()
})

describeWith('postgres', 'a Postgres', () => {
  test('that does not respond delays many requests no longer than one, and is used again when it responds', async () => {
    const server = await startPostgresServer()
    const database = createDatabase({ url: server.url(), poolSize: 4, log })
    await migrateUnderLock({ knex: database.maintenance, log })
    const store = createArtifactStore({ ...common, pool: database.pool, transaction: database.transaction })
    const adapter = store.adapter('RefreshToken')
    await adapter.upsert('kept', { jti: 'kept' }, 60)
    server.freeze()
    const began = performance.now()
    const asked = Array.from({ length: 1_000 }, (_, index) => [
      adapter.find(newId()),
      adapter.upsert(newId(), { index }, 60),
    ])
    const answers = await Promise.allSettled(asked.flat())
    const seconds = (performance.now() - began) / 1_000
    const reasons = answers.map((answer) => answer.status === 'rejected' && answer.reason)
    expect(reasons.filter((reason) => !(reason instanceof ArtifactStoreUnavailable))).toEqual([])
    // 6 s for one statement, plus a margin. Sequential batches would take half a minute.
    expect(seconds).toBeLessThan(12)
    server.thaw()
    await waitFor(() => database.isHealthy())
    expect(await adapter.find('kept')).toEqual({ jti: 'kept' })
    await database.close()
    await server.close()
  })
})

test('connections that Postgres ends are replaced', async () => {
  const { database, close } = await createTestDatabase()
  const store = createArtifactStore({ ...common, pool: database.pool, transaction: database.transaction })
  const id = newId()
  await store.adapter('Grant').upsert(id, { jti: id }, 60)
  await database.knex.raw(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  )
  await waitFor(() => store.adapter('Grant').find(id), { what: 'the grant' })
  await close()
})

describeWith('redis-server', 'with Redis', () => {
  test('a Redis that stops and returns', async () => {
    const { database, close } = await createTestDatabase()
    const server = await startRedis()
    const redis = createRedis({ url: server.url, log })
    expect(await redis.whenReady(10_000)).toBe(true)
    expect(await redis.isHealthy()).toBe(true)
    const store = createArtifactStore({
      ...common,
      pool: database.pool,
      transaction: database.transaction,
      redis: redis.client,
    })
    const [token, grant] = [newId(), newId()]
    await store.adapter('AccessToken').upsert(token, { jti: token }, 60)
    await store.adapter('Grant').upsert(grant, { jti: grant }, 60)

    await server.kill()
    await waitFor(async () => !(await redis.isHealthy()), { what: 'the outage' })
    // Data that only Redis has is not "not found": the client would see a logout or a revoked
    // token.
    await expect(store.adapter('AccessToken').find(token)).rejects.toBeInstanceOf(ArtifactStoreUnavailable)
    // New data is written to Postgres and found there.
    const [late, parked] = [newId(), newId()]
    await store.adapter('AccessToken').upsert(late, { jti: late }, 60)
    expect(await store.adapter('AccessToken').find(late)).toEqual({ jti: late })
    await store.adapter('Interaction').upsert(late, { kind: 'Interaction' }, 60)
    expect(await store.adapter('Interaction').find(late)).toMatchObject({ kind: 'Interaction' })
    await store.park(parked, 'x', 60)
    await expect(store.take(newId())).rejects.toBeInstanceOf(ArtifactStoreUnavailable)
    expect(await store.take(parked)).toBe('x')
    expect(await store.adapter('Grant').find(grant)).toEqual({ jti: grant })

    await server.start()
    await waitFor(redis.isHealthy, { what: 'the return' })
    expect(await store.adapter('AccessToken').find(token)).toBeUndefined()
    expect(await store.adapter('AccessToken').find(late)).toEqual({ jti: late })
    await store.adapter('AccessToken').upsert(token, { jti: token }, 60)
    expect(await store.adapter('AccessToken').find(token)).toEqual({ jti: token })
    await redis.close()
    await server.close()
    await close()
  })

  test('a Redis that was never available delays no request', async () => {
    const redis = createRedis({ url: `redis://127.0.0.1:${await findFreePort()}`, log })
    expect(await redis.whenReady(100)).toBe(false)
    expect(await redis.isHealthy()).toBe(false)
    await redis.close()
  })

  test('an artifact from before Redis was added is found, and one that is valid for longer than a day is stored in Postgres', async () => {
    const { database, close } = await createTestDatabase()
    const server = await startRedis()
    const redis = createRedis({ url: server.url, log })
    await redis.whenReady(10_000)
    const deps = { ...common, pool: database.pool, transaction: database.transaction }
    const [without, withRedis] = [createArtifactStore(deps), createArtifactStore({ ...deps, redis: redis.client })]
    const [early, long] = [newId(), newId()]
    await without.adapter('AccessToken').upsert(early, { jti: early }, 60)
    await withRedis.adapter('AccessToken').upsert(long, { jti: long }, 7 * 86_400)
    expect(await withRedis.adapter('AccessToken').find(early)).toEqual({ jti: early })
    expect(await without.adapter('AccessToken').find(long)).toEqual({ jti: long })
    await withRedis.adapter('AccessToken').destroy(early)
    expect(await without.adapter('AccessToken').find(early)).toBeUndefined()
    await redis.close()
    await server.close()
    await close()
  })
})
