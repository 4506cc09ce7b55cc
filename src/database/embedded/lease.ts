/** A share in the running Postgres: a connection that holds a lock, which Postgres gives back however its holder ends. */
import pg from 'pg'
import type { Endpoint } from './endpoint.ts'
import { clientConfig } from './endpoint.ts'

export type Lease = {
  /** Gives the share back; true when nobody else has one and nobody can get one any more: the caller is to stop Postgres. */
  release: () => Promise<boolean>
  /** Closes the connection, and with it gives back whatever is held. */
  end: () => Promise<void>
  /** Resolves when the connection is gone, by `end` or because Postgres is. */
  lost: Promise<void>
}

// Arbitrary; every version must use the same.
const lockKey = 727
const connectTimeoutMs = 3_000

/** Connects and takes a share. Rejects when Postgres is not (yet, or any more) to be had. */
export async function takeLease(endpoint: Endpoint): Promise<Lease> {
  const client = new pg.Client({
    ...clientConfig(endpoint),
    application_name: 'latchkey-lease',
    connectionTimeoutMillis: connectTimeoutMs,
  })
  // 'end' follows, and says it all.
  client.on('error', () => {})
  const lost = new Promise<void>((resolve) => client.once('end', () => resolve()))
  const end = () => client.end().catch(() => {})
  try {
    await client.connect()
    // Waits while the last one out is stopping Postgres, and then fails with the connection.
    await client.query('SELECT pg_advisory_lock_shared($1)', [lockKey])
  } catch (error) {
    void end()
    throw error
  }
  const release = async () => {
    try {
      await client.query('SELECT pg_advisory_unlock_shared($1)', [lockKey])
      const { rows } = await client.query('SELECT pg_try_advisory_lock($1) AS "isLast"', [lockKey])
      return rows[0].isLast === true
    } catch {
      return false
    }
  }
  return { release, end, lost }
}
