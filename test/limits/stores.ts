/** Every store that the contract tests run against. */
import { once } from 'node:events'
import { Cluster, Redis } from 'ioredis'
import { createMemoryStore } from '../../src/limits/memory.ts'
import { createRedisStore } from '../../src/limits/redis.ts'
import { createPostgresStore } from '../../src/limits/repository.ts'
import type { LimitStore } from '../../src/limits/store.ts'
import { createTestDatabase } from '../support/database.ts'
import type { ProgramName } from '../support/programs.ts'
import { startRedis, startRedisCluster } from '../support/redis.ts'

type Opened = { store: LimitStore; close: () => Promise<unknown> }
type Kind = { name: string; needs: readonly ProgramName[]; open: () => Promise<Opened> }

/** A longer timeout than the server's own: a busy machine is not the subject of these tests. */
async function openRedis(client: Redis | Cluster, close: () => Promise<void>): Promise<Opened> {
  if (client.status !== 'ready') await once(client, 'ready')
  return {
    store: createRedisStore(client),
    close: async () => {
      client.disconnect()
      await close()
    },
  }
}

export const storeKinds: readonly Kind[] = [
  {
    name: 'memory',
    needs: [],
    open: async () => ({ store: createMemoryStore({ maxKeys: 10_000 }), close: async () => {} }),
  },
  {
    name: 'Postgres',
    needs: [],
    open: async () => {
      const { database, close } = await createTestDatabase()
      return { store: createPostgresStore(database.pool), close }
    },
  },
  {
    name: 'Redis',
    needs: ['redis-server'],
    open: async () => {
      const { url, close } = await startRedis()
      return openRedis(new Redis(url), close)
    },
  },
  {
    name: 'a Redis Cluster',
    needs: ['redis-server'],
    open: async () => {
      const { nodes, close } = await startRedisCluster()
      return openRedis(new Cluster(nodes.map(({ port }) => ({ host: '127.0.0.1', port }))), close)
    },
  },
]
