/** One row for each server process on this database, with the stores that it uses. */
import type { Knex } from 'knex'

export type RegisteredProcess = Readonly<{
  process: string
  stores: string
  seenAt: number
  /** A peer that sent X-Forwarded-For and is not a configured proxy. */
  untrustedPeer: string | undefined
}>

/**
 * In one statement: writes our row, deletes rows not seen since `since`, and returns the different
 * stores of other processes.
 */
export async function registerProcess(db: Knex, registered: RegisteredProcess, since: number): Promise<string[]> {
  const { process, stores, seenAt, untrustedPeer = null } = registered
  const { rows } = await db.raw(
    `WITH gone AS (DELETE FROM store_set_up WHERE seen_at < ? AND process <> ?),
      own AS (
        INSERT INTO store_set_up (process, stores, seen_at, untrusted_peer) VALUES (?, ?, ?, ?)
        ON CONFLICT (process) DO UPDATE SET seen_at = excluded.seen_at, untrusted_peer = excluded.untrusted_peer)
     SELECT DISTINCT stores FROM store_set_up WHERE process <> ? AND stores <> ? AND seen_at >= ? ORDER BY stores`,
    [since, process, process, stores, seenAt, untrustedPeer, process, stores, since],
  )
  return (rows as { stores: string }[]).map((row) => row.stores)
}

export const listStores = async (db: Knex, since: number): Promise<string[]> => {
  const rows: { stores: string }[] = await db('store_set_up')
    .where('seen_at', '>=', since)
    .distinct('stores')
    .orderBy('stores')
  return rows.map(({ stores }) => stores)
}

/** The peers that running processes have noted, without repetitions. */
export const listUntrustedPeers = async (db: Knex, since: number): Promise<string[]> => {
  const rows: { untrusted_peer: string }[] = await db('store_set_up')
    .where('seen_at', '>=', since)
    .whereNotNull('untrusted_peer')
    .distinct('untrusted_peer')
    .orderBy('untrusted_peer')
  return rows.map(({ untrusted_peer: peer }) => peer)
}

export const unregisterProcess = async (db: Knex, process: string): Promise<void> => {
  await db('store_set_up').where({ process }).delete()
}
