/** Every store of the contract tests, and the parts to build a store in a test. */
import { hkdfSync } from 'node:crypto'
import type { FamilyEnd } from '../../adapters/index.ts'
import { createArtifactStore } from '../../adapters/index.ts'
import { createLog } from '../../src/log.ts'
import type { RedisConnection } from '../../src/redis/connection.ts'
import { createRedis } from '../../src/redis/connection.ts'
import type { TestClock } from '../support/clock.ts'
import { createTestClock } from '../support/clock.ts'
import type { TestDatabase } from '../support/database.ts'
import { createTestDatabase } from '../support/database.ts'
import { startRedis, startRedisCluster } from '../support/redis.ts'

const log = createLog({ level: 'silent' })
const deriveKey = (purpose: string) => Buffer.from(hkdfSync('sha256', 'a root secret', '', purpose, 32))

export type TestStores = Awaited<ReturnType<typeof createTestStores>>

type Kind = 'postgres' | 'redis' | 'cluster'

/** A database, and a Redis when `kind` has one. Each opened store acts as one server. */
export async function createTestStores(kind: Kind) {
  const clock: TestClock = createTestClock()
  const { database, close: closeDatabase }: TestDatabase = await createTestDatabase()
  const server = kind === 'redis' ? await startRedis() : kind === 'cluster' ? await startRedisCluster() : undefined
  const connections: RedisConnection[] = []
  const familyEnds: Omit<FamilyEnd, 'request'>[] = []
  let graceSeconds = 30

  /** `more` replaces the server's usual options. */
  async function open(more: Partial<Parameters<typeof createArtifactStore>[0]> = {}) {
    const redis = server && createRedis({ url: server.url, log })
    if (redis) {
      connections.push(redis)
      await redis.whenReady(10_000)
    }
    return createArtifactStore({
      pool: database.pool,
      redis: redis?.client,
      transaction: database.transaction,
      clock,
      log,
      deriveKey,
      graceSeconds: async () => graceSeconds,
      onFamilyEnded: (_tx, { request: _request, ...event }) => void familyEnds.push(event),
      ...more,
    })
  }

  return {
    clock,
    database,
    familyEnds,
    open,
    /** Undefined without Redis. */
    redis: () => connections[0]?.client,
    setGraceSeconds: (seconds: number) => {
      graceSeconds = seconds
    },
    close: async () => {
      await Promise.all(connections.map((connection) => connection.close()))
      await server?.close()
      await closeDatabase()
    },
  }
}

/** The stores, each with its required programs. A new store here runs the whole contract. */
export const storeKinds = [
  { kind: 'postgres', name: 'Postgres', needs: [] },
  { kind: 'redis', name: 'Postgres and Redis', needs: ['redis-server'] },
  { kind: 'cluster', name: 'Postgres and a Redis Cluster of three nodes', needs: ['redis-server'] },
] as const
