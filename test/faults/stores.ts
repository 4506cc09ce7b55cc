/**
 * Several started servers on one database, for each store. The suites about processes run on them.
 */
import { createTestDatabase } from '../support/database.ts'
import type { PostgresServer } from '../support/postgres-server.ts'
import { startPostgresServer } from '../support/postgres-server.ts'
import type { Servers, ServersOptions } from '../support/processes.ts'
import { startServers } from '../support/processes.ts'
import type { RedisServer } from '../support/redis.ts'
import { startRedis } from '../support/redis.ts'

type Options = Pick<ServersOptions, 'hasDefaultLimits' | 'settings'>

export type RunningServers = { servers: Servers; close: () => Promise<unknown> }

// With the accounts and clients of the development seed, which `demo.ts` uses.
const env = { NODE_ENV: 'development' }

/** On the embedded Postgres of the tests. */
export async function openOnEmbedded(count: number): Promise<RunningServers> {
  const database = await createTestDatabase()
  const servers = await startServers(count, { databaseUrl: database.url, env })
  return { servers, close: () => servers.close().then(database.close) }
}

/** On its own Postgres server. */
export async function openOnPostgres(
  count: number,
  options: Options = {},
): Promise<RunningServers & { postgres: PostgresServer }> {
  const postgres = await startPostgresServer()
  const servers = await startServers(count, { databaseUrl: await postgres.createDatabase('latchkey'), env, ...options })
  return { servers, postgres, close: () => servers.close().then(postgres.close) }
}

/** On its own Postgres server and its own Redis. */
export async function openOnPostgresWithRedis(
  count: number,
  options: Options = {},
): Promise<RunningServers & { redis: RedisServer }> {
  const [postgres, redis] = await Promise.all([startPostgresServer(), startRedis()])
  const databaseUrl = await postgres.createDatabase('latchkey')
  const servers = await startServers(count, { databaseUrl, env: { ...env, REDIS_URL: redis.url }, ...options })
  return { servers, redis, close: () => servers.close().then(() => Promise.all([postgres.close(), redis.close()])) }
}
