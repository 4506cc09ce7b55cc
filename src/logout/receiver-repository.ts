/** Rows of `logout_receiver`: clients whose last answer was late or missing. */
import type { Queryable } from '../database/database.ts'

/**
 * `failures`: consecutive attempts without an answer. `nextAt`: the earliest next attempt, in
 * milliseconds.
 */
export type SlowReceiver = Readonly<{ failures: number; nextAt: number }>

/** Gives undefined for a client that answers in time. */
export async function findSlowReceiver(db: Queryable, clientId: string): Promise<SlowReceiver | undefined> {
  const row = await db('logout_receiver').select('failures', 'next_at').where({ client_id: clientId }).first()
  return row && { failures: Number(row.failures), nextAt: Number(row.next_at) }
}

export async function saveSlowReceiver(
  db: Queryable,
  clientId: string,
  { failures, nextAt }: SlowReceiver,
): Promise<void> {
  await db('logout_receiver')
    .insert({ client_id: clientId, failures, next_at: nextAt })
    .onConflict('client_id')
    .merge(['failures', 'next_at'])
}

export async function deleteSlowReceiver(db: Queryable, clientId: string): Promise<void> {
  await db('logout_receiver').where({ client_id: clientId }).delete()
}

/** The client may be notified now. Its failures stay counted. */
export async function makeReceiverDue(db: Queryable, clientId: string): Promise<void> {
  await db('logout_receiver').where({ client_id: clientId }).update({ next_at: 0 })
}
