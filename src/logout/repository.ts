/** Rows of `logout_delivery`. */
import type { Queryable, Tx } from '../database/database.ts'
import type { DeliveryState } from './service.ts'

export type DeliveryRow = Readonly<{
  id: string
  clientId: string
  sealed: Buffer | undefined
  state: DeliveryState
  attempts: number
  lastFailure: string | undefined
  createdAt: number
  updatedAt: number
}>

const columns = ['id', 'client_id', 'sealed', 'state', 'attempts', 'last_failure', 'created_at', 'updated_at'] as const

const fromRow = (row: Record<string, unknown>): DeliveryRow => ({
  id: String(row.id),
  clientId: String(row.client_id),
  sealed: (row.sealed as Buffer | null) ?? undefined,
  state: row.state as DeliveryState,
  attempts: Number(row.attempts),
  lastFailure: (row.last_failure as string | null) ?? undefined,
  createdAt: Number(row.created_at),
  updatedAt: Number(row.updated_at),
})

/** Which of these clients want to be told. */
export async function listListening(tx: Tx, clientIds: readonly string[]): Promise<ReadonlySet<string>> {
  if (clientIds.length === 0) return new Set()
  const rows = await tx('client')
    .select('client_id')
    .whereIn('client_id', clientIds)
    .where({ is_disabled: false })
    .whereRaw("metadata ->> 'backchannel_logout_uri' IS NOT NULL")
  return new Set(rows.map((row) => String(row.client_id)))
}

type NewDelivery = { id: string; clientId: string; sealed: Buffer; at: number }

export async function insertDelivery(tx: Tx, { id, clientId, sealed, at }: NewDelivery): Promise<void> {
  await tx('logout_delivery').insert({ id, client_id: clientId, sealed, created_at: at, updated_at: at })
}

export async function findDelivery(db: Queryable, id: string): Promise<DeliveryRow | undefined> {
  const row = await db('logout_delivery').select(columns).where({ id }).first()
  return row && fromRow(row)
}

/** The row under a lock for the rest of the transaction. */
export async function findDeliveryForUpdate(tx: Tx, id: string): Promise<DeliveryRow | undefined> {
  const row = await tx('logout_delivery').select(columns).where({ id }).forUpdate().first()
  return row && fromRow(row)
}

/** The newest first, at most `limit`. */
export async function listDeliveries(
  db: Queryable,
  { clientId, state, limit }: { clientId?: string; state?: DeliveryState; limit: number },
): Promise<DeliveryRow[]> {
  const rows = await db('logout_delivery')
    .select(columns)
    .where({ ...(clientId !== undefined && { client_id: clientId }), ...(state !== undefined && { state }) })
    .orderBy([
      { column: 'created_at', order: 'desc' },
      { column: 'id', order: 'asc' },
    ])
    .limit(limit)
  return rows.map(fromRow)
}

type Outcome = { state: DeliveryState; attempts: number; lastFailure: string | undefined; at: number }

/** What became of an attempt; who logged out is forgotten once it is delivered. */
export async function updateDelivery(
  db: Queryable,
  id: string,
  { state, attempts, lastFailure, at }: Outcome,
): Promise<void> {
  await db('logout_delivery')
    .where({ id })
    .update({
      state,
      attempts,
      last_failure: lastFailure ?? null,
      updated_at: at,
      ...(state === 'delivered' && { sealed: null }),
    })
}

/** Forgets what was delivered or given up before `beforeMs`, at most `limit` rows; gives how many. */
export const deleteSettled = (db: Queryable, beforeMs: number, limit: number): Promise<number> =>
  db('logout_delivery')
    .whereIn(
      'id',
      db('logout_delivery').select('id').whereNot({ state: 'waiting' }).where('updated_at', '<', beforeMs).limit(limit),
    )
    .delete()
