/**
 * Rows of `audit_event`: added and listed, never changed (a trigger of the database refuses it).
 */
import type { Knex } from 'knex'
import type { Queryable, Tx } from '../database/database.ts'
import type { AuditAction } from './actions.ts'
import type { Actor, AuditEvent } from './service.ts'

/** A statement that inserts rows and has not been sent. */
export type Insert = Knex.QueryBuilder

/**
 * An event as it is written; `at` in milliseconds since the epoch. `address` is the IP address of
 * the request. Rows of earlier versions have no request, command or job, and a failed guess has an
 * account without an id.
 */
export type RecordedEvent = Omit<AuditEvent, 'by' | 'action'> &
  Readonly<{
    action: AuditAction
    id: string
    at: number
    actor: Actor | Readonly<{ type: Actor['type']; id?: undefined }>
    requestId?: string | undefined
    address?: string | undefined
    command?: string | undefined
    job?: string | undefined
  }>

const columns = ['id', 'at', 'action', 'actor_type', 'actor_id', 'subject_type', 'subject_id', 'client_id'] as const
const placeColumns = ['request_id', 'address', 'command', 'job'] as const

/** The statement that adds the event. The caller sends it or includes it in another statement. */
export const buildAuditEventInsert = (tx: Tx, event: RecordedEvent): Insert =>
  tx('audit_event').insert({
    id: event.id,
    at: event.at,
    action: event.action,
    actor_type: event.actor.type,
    actor_id: 'id' in event.actor ? event.actor.id : null,
    subject_type: event.subject?.type ?? null,
    subject_id: event.subject?.id ?? null,
    client_id: event.clientId ?? null,
    request_id: event.requestId ?? null,
    address: event.address ?? null,
    command: event.command ?? null,
    job: event.job ?? null,
    outcome: event.outcome,
    details: JSON.stringify(event.details ?? {}),
  })

/** The events of one subject, newest first, at most `limit`. */
export const listAuditEventsOf = (db: Queryable, subject: { type: string; id: string }, limit: number) =>
  listEvents(db, limit, subject)

/** The ids that the trail contains as subjects of this type. */
export async function listKnownSubjects(db: Queryable, type: string, ids: readonly string[]): Promise<string[]> {
  const { rows } = await db.raw(
    `SELECT asked.id FROM unnest(?::text[]) AS asked (id)
     WHERE EXISTS (SELECT FROM audit_event WHERE subject_type = ? AND subject_id = asked.id)`,
    [ids, type],
  )
  return rows.map((row: { id: string }) => row.id)
}

/** The newest events first, at most `limit`. */
export const listAuditEvents = (db: Queryable, limit: number): Promise<RecordedEvent[]> => listEvents(db, limit)

async function listEvents(db: Queryable, limit: number, subject?: { type: string; id: string }) {
  const rows = await db('audit_event')
    .where(subject ? { subject_type: subject.type, subject_id: subject.id } : {})
    .select(...columns, ...placeColumns, 'outcome', 'details')
    .orderBy('sequence', 'desc')
    .limit(limit)
  return rows.map(
    (row): RecordedEvent => ({
      id: row.id,
      at: Number(row.at),
      action: row.action,
      actor: { type: row.actor_type, id: row.actor_id ?? undefined },
      subject: row.subject_type ? { type: row.subject_type, id: row.subject_id } : undefined,
      clientId: row.client_id ?? undefined,
      requestId: row.request_id ?? undefined,
      address: row.address ?? undefined,
      command: row.command ?? undefined,
      job: row.job ?? undefined,
      outcome: row.outcome,
      details: row.details,
    }),
  )
}
