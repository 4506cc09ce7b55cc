/**
 * Detects a pooler such as PgBouncer in front of Postgres by comparing process ids
 * (docs/decisions/0115).
 */
import type { Client } from 'pg'
import { createClient } from './connection.ts'
import { directUrlPooled, toDatabaseFailure } from './errors.ts'

export type Pooling = Readonly<{
  /** A pooler on the address for requests: no session settings, no named statements. */
  isPooled: boolean
  /** A pooler in session mode on the direct address: a session, but no settings at its start. */
  isDirectPooled: boolean
}>

type Addresses = Readonly<{ url: string; directUrl?: string | undefined }>

/** Assumes a pooler when there is a different direct address. */
export const statedPooling = ({ url, directUrl }: Addresses): Pooling => ({
  isPooled: directUrl !== undefined && directUrl !== url,
  isDirectPooled: false,
})

const rounds = 3

/**
 * Checks the direct address, or the only address. A pooler announces an invented process id.
 * Throws `database_direct_url_pooled` in transaction mode, and `database_unavailable`.
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

/**
 * Whether the address is a pooler in transaction mode: two connections share a server process, or
 * one connection changes its server process.
 */
async function isShared(url: string): Promise<boolean> {
  return withClients(url, 2, async ([first, second]) => {
    for (let round = 0; round < rounds; round += 1) {
      const before = await backendOf(first!)
      await second!.query('BEGIN')
      const others = await backendOf(second!)
      const after = await backendOf(first!)
      await second!.query('ROLLBACK')
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
    // A broken connection need not be closed, and must not hide the result.
    await Promise.all(clients.map((client) => client.end().catch(() => {})))
  }
}
