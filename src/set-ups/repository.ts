/** The rows of the server processes on this database, each with the stores it works on. */
import type { Knex } from 'knex'

export type SetUp = Readonly<{
  process: string
  stores: string
  seenAt: number
  /** A peer that sent X-Forwarded-For and is no configured proxy. */
  untrustedPeer: string | undefined
}>

/** Writes our own row, deletes those not seen since `since`, and gives the stores of the others that differ, in one statement. */
export async function publishSetUp(db: Knex, setUp: SetUp, since: number): Promise<string[]> {
  const { process, stores, seenAt, untrustedPeer = null } = setUp
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

export const listSetUps = async (db: Knex, since: number): Promise<string[]> => {
  const rows: { stores: string }[] = await db('store_set_up')
    .where('seen_at', '>=', since)
    .distinct('stores')
    .orderBy('stores')
  return rows.map(({ stores }) => stores)
}

/** The peers that running processes have noted, each once. */
export const listUntrustedPeers = async (db: Knex, since: number): Promise<string[]> => {
  const rows: { untrusted_peer: string }[] = await db('store_set_up')
    .where('seen_at', '>=', since)
    .whereNotNull('untrusted_peer')
    .distinct('untrusted_peer')
    .orderBy('untrusted_peer')
  return rows.map(({ untrusted_peer: peer }) => peer)
}

export const deleteSetUp = async (db: Knex, process: string): Promise<void> => {
  await db('store_set_up').where({ process }).delete()
}
