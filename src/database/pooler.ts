/**
 * Whether a pooler such as PgBouncer stands between us and Postgres, found out by asking both who answers.
 * docs/decisions/0115
 */
import type { Client } from 'pg'
import { createClient } from './connection.ts'
import { directUrlPooled, toDatabaseFailure } from './errors.ts'

export type Pooling = Readonly<{
  /** A pooler on the way of requests: no session settings, no named statements. */
  isPooled: boolean
  /** A pooler in session mode on the direct way: a session, but no settings at its start. */
  isDirectPooled: boolean
}>

type Addresses = Readonly<{ url: string; directUrl?: string | undefined }>

/** What a direct address besides says by itself: there is something to go around. */
export const statedPooling = ({ url, directUrl }: Addresses): Pooling => ({
  isPooled: directUrl !== undefined && directUrl !== url,
  isDirectPooled: false,
})

const rounds = 3

/**
 * Asks on the direct way, or the only one. A pooler that keeps its own connections has to make up the process id that it greets with.
 * Throws `database_direct_url_pooled` when the direct way has no session of its own; `database_unavailable` when there is no answer.
 */
export async function findPooling({ url, directUrl }: Addresses): Promise<Pooling> {
  const isStated = statedPooling({ url, directUrl }).isPooled
  const isDirectPooled = await isBehindPooler(directUrl ?? url)
  if (isDirectPooled && (await isShared(directUrl ?? url)))
    throw directUrlPooled({ params: { variable: directUrl === undefined ? 'DATABASE_URL' : 'DATABASE_DIRECT_URL' } })
  return { isPooled: isStated || isDirectPooled, isDirectPooled }
}

const backendOf = async (client: Client): Promise<number> =>
  (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!.pid

async function isBehindPooler(url: string): Promise<boolean> {
  return withClients(
    url,
    1,
    async ([client]) => (client as { processID?: number }).processID !== (await backendOf(client!)),
  )
}

/** Whether two connections work on one of Postgres', or one on two: a pooler in transaction mode. */
async function isShared(url: string): Promise<boolean> {
  return withClients(url, 2, async ([one, other]) => {
    for (let round = 0; round < rounds; round += 1) {
      const before = await backendOf(one!)
      await other!.query('BEGIN')
      const others = await backendOf(other!)
      const after = await backendOf(one!)
      await other!.query('ROLLBACK')
      if (before !== after || before === others) return true
    }
    return false
  })
}

async function withClients<T>(
  url: string,
  count: number,
  work: (clients: readonly Client[]) => Promise<T>,
): Promise<T> {
  const clients = Array.from({ length: count }, () => createClient({ url, isPooled: true }))
  try {
    await Promise.all(clients.map((client) => client.connect()))
    return await work(clients)
  } catch (error) {
    throw toDatabaseFailure(error)
  } finally {
    await Promise.all(clients.map((client) => client.end().catch(() => {})))
  }
}
