/** Several started servers on one database, by store: what the suites about processes run on. */
import { createTestDatabase } from '../support/database.ts'
import { startPostgresServer } from '../support/postgres-server.ts'
import type { Servers } from '../support/processes.ts'
import { startServers } from '../support/processes.ts'
import { startRedis } from '../support/redis.ts'

export type RunningServers = { servers: Servers; close: () => Promise<unknown> }

// With the people and clients of the development seed, which `demo.ts` speaks for.
const env = { NODE_ENV: 'development' }

/** On the embedded Postgres of the tests. */
export async function openOnEmbedded(count: number): Promise<RunningServers> {
  const database = await createTestDatabase({ isEmpty: true })
  const servers = await startServers(count, { databaseUrl: database.url, env })
  return { servers, close: () => servers.close().then(database.close) }
}

/** On a Postgres server of its own. */
export async function openOnPostgres(count: number): Promise<RunningServers> {
  const postgres = await startPostgresServer()
  const servers = await startServers(count, { databaseUrl: await postgres.createDatabase('latchkey'), env })
  return { servers, close: () => servers.close().then(postgres.close) }
}

/** On a Postgres server and a Redis of its own. */
export async function openOnPostgresWithRedis(count: number): Promise<RunningServers> {
  const [postgres, redis] = await Promise.all([startPostgresServer(), startRedis()])
  const databaseUrl = await postgres.createDatabase('latchkey')
  const servers = await startServers(count, { databaseUrl, env: { ...env, REDIS_URL: redis.url } })
  return { servers, close: () => servers.close().then(() => Promise.all([postgres.close(), redis.close()])) }
}
