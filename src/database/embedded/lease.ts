/**
 * A lease of the running Postgres: a connection with a lock. Postgres releases the lock however the
 * process ends.
 */
import pg from 'pg'
import type { Endpoint } from './endpoint.ts'
import { clientConfig } from './endpoint.ts'

export type Lease = {
  /**
   * Releases the lease. True when no other process has one or can get one: then the caller must
   * stop Postgres.
   */
  release: () => Promise<boolean>
  /** Closes the connection, which releases every lock. */
  end: () => Promise<void>
  /** Resolves when the connection has ended, by `end` or because Postgres stopped. */
  lost: Promise<void>
}

// Arbitrary, but the same in every version.
const lockKey = 727
const connectTimeoutMs = 3_000

/** Connects and takes a lease. Rejects when Postgres is not available. */
export async function takeLease(endpoint: Endpoint): Promise<Lease> {
  const client = new pg.Client({
    ...clientConfig(endpoint),
    application_name: 'latchkey-lease',
    connectionTimeoutMillis: connectTimeoutMs,
  })
  // 'end' follows and is enough.
  client.on('error', () => {})
  const lost = new Promise<void>((resolve) => client.once('end', () => resolve()))
  // The connection may be lost, which releases every lock too.
  const end = () => client.end().catch(() => {})
  try {
    await client.connect()
    // Waits while the last process stops Postgres, and then fails with the connection.
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
      // The connection is lost: Postgres has stopped, and there is nothing to stop.
      return false
    }
  }
  return { release, end, lost }
}
