/** Rows of `logout_delivery`. */
import type { Queryable, Tx } from '../database/database.ts'
import type { DeliveryState } from './service.ts'

export type DeliveryRow = Readonly<{
  id: string
  clientId: string
  sealedEvent: Buffer | undefined
  state: DeliveryState
  attempts: number
  lastFailure: string | undefined
  createdAt: number
  updatedAt: number
  /** When an operator requested it again. */
  retriedAt: number | undefined
}>

const columns = [
  'id',
  'client_id',
  'sealed_event',
  'state',
  'attempts',
  'last_failure',
  'created_at',
  'updated_at',
  'retried_at',
] as const

// Postgres accepts 65,535 parameters in a statement.
const rowBatchSize = 500

const fromRow = (row: Record<string, unknown>): DeliveryRow => ({
  id: String(row.id),
  clientId: String(row.client_id),
  sealedEvent: (row.sealed_event as Buffer | null) ?? undefined,
  state: row.state as DeliveryState,
  attempts: Number(row.attempts),
  lastFailure: (row.last_failure as string | null) ?? undefined,
  createdAt: Number(row.created_at),
  updatedAt: Number(row.updated_at),
  retriedAt: row.retried_at === null ? undefined : Number(row.retried_at),
})

/**
 * The clients that want logout notifications, with the earliest next attempt of slow ones (0 for
 * others).
 */
export async function listListening(tx: Tx, clientIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
  if (clientIds.length === 0) return new Map()
  const rows = await tx('client')
    .leftJoin('logout_receiver', 'logout_receiver.client_id', 'client.client_id')
    .select('client.client_id', 'logout_receiver.next_at')
    .whereIn('client.client_id', clientIds)
    .where({ is_disabled: false })
    .whereRaw("metadata ->> 'backchannel_logout_uri' IS NOT NULL")
  return new Map(rows.map((row) => [String(row.client_id), Number(row.next_at ?? 0)]))
}

export type NewDelivery = Readonly<{ id: string; clientId: string; sealedEvent: Buffer; at: number }>

export async function insertDeliveries(tx: Tx, deliveries: readonly NewDelivery[]): Promise<void> {
  for (let start = 0; start < deliveries.length; start += rowBatchSize) {
    await tx('logout_delivery').insert(
      deliveries.slice(start, start + rowBatchSize).map(({ id, clientId, sealedEvent, at }) => ({
        id,
        client_id: clientId,
        sealed_event: sealedEvent,
        created_at: at,
        updated_at: at,
        next_at: at,
      })),
    )
  }
}

export async function findDelivery(db: Queryable, id: string): Promise<DeliveryRow | undefined> {
  const row = await db('logout_delivery').select(columns).where({ id }).first()
  return row && fromRow(row)
}

/** Locks the row for the rest of the transaction. */
export async function findDeliveryForUpdate(tx: Tx, id: string): Promise<DeliveryRow | undefined> {
  const row = await tx('logout_delivery').select(columns).where({ id }).forUpdate().first()
  return row && fromRow(row)
}

/**
 * The waiting deliveries of the client that are due at `at`: the longest due first, at most
 * `limit`.
 */
export async function listDue(db: Queryable, clientId: string, at: number, limit: number): Promise<DeliveryRow[]> {
  const rows = await db('logout_delivery')
    .select(columns)
    .where({ client_id: clientId, state: 'waiting' })
    .where('next_at', '<=', at)
    .orderBy(['next_at', 'created_at'])
    .limit(limit)
  return rows.map(fromRow)
}

/** When the client's next delivery is due; undefined when none is waiting. */
export async function findNextAttemptAt(db: Queryable, clientId: string): Promise<number | undefined> {
  const row = await db('logout_delivery')
    .select('next_at')
    .where({ client_id: clientId, state: 'waiting' })
    .orderBy('next_at')
    .first()
  return row && Number(row.next_at)
}

/** Clients with a delivery that has been due since `beforeMs`, and that are not in a pause. */
export async function listOverdue(db: Queryable, beforeMs: number, limit: number): Promise<string[]> {
  const rows = await db('logout_delivery')
    .distinct('logout_delivery.client_id')
    .leftJoin('logout_receiver', 'logout_receiver.client_id', 'logout_delivery.client_id')
    .where('state', 'waiting')
    .where('logout_delivery.next_at', '<', beforeMs)
    .whereRaw('coalesce(logout_receiver.next_at, 0) < ?', [beforeMs])
    .limit(limit)
  return rows.map((row) => String(row.client_id))
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

type Outcome = Readonly<{
  state: DeliveryState
  attempts: number
  lastFailure: string | undefined
  at: number
  /** When it may be attempted again. */
  nextAt: number
}>

/**
 * Saves the result of an attempt, unless an operator renewed the row meanwhile. A delivered row no
 * longer contains the event.
 */
export async function updateDelivery(
  db: Queryable,
  { id, attempts: before }: Pick<DeliveryRow, 'id' | 'attempts'>,
  { state, attempts, lastFailure, at, nextAt }: Outcome,
): Promise<void> {
  await db('logout_delivery')
    .where({ id, state: 'waiting', ...(state !== 'delivered' && { attempts: before }) })
    .update({
      state,
      attempts,
      last_failure: lastFailure ?? null,
      updated_at: at,
      next_at: nextAt,
      ...(state === 'delivered' && { sealed_event: null }),
    })
}

/** Renews the delivery: due at `at`, without earlier attempts. */
export async function renewDelivery(tx: Tx, id: string, at: number): Promise<void> {
  await tx('logout_delivery')
    .where({ id })
    .update({ state: 'waiting', attempts: 0, updated_at: at, next_at: at, retried_at: at })
}

/**
 * Gives up deliveries that have waited for the client since `beforeMs`. Gives how many, at most
 * `limit`.
 */
export const abandonOldDeliveries = (
  db: Queryable,
  { clientId, beforeMs, at, limit }: { clientId: string; beforeMs: number; at: number; limit: number },
): Promise<number> =>
  db('logout_delivery')
    .whereIn(
      'id',
      db('logout_delivery')
        .select('id')
        .where({ client_id: clientId, state: 'waiting' })
        .whereRaw('coalesce(retried_at, created_at) < ?', [beforeMs])
        .limit(limit),
    )
    .update({ state: 'given_up', updated_at: at })

/**
 * Deletes at most `limit` rows that were delivered or given up before `beforeMs`. Gives how many.
 */
export const deleteSettled = (db: Queryable, beforeMs: number, limit: number): Promise<number> =>
  db('logout_delivery')
    .whereIn(
      'id',
      db('logout_delivery').select('id').whereNot({ state: 'waiting' }).where('updated_at', '<', beforeMs).limit(limit),
    )
    .delete()
