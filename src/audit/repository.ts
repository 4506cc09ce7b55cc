/** Rows of `audit_event`: added and listed, never changed (a trigger of the database refuses it). */
import type { Queryable, Tx } from '../database/database.ts'
import type { AuditEvent } from './service.ts'

export type StoredAuditEvent = AuditEvent & { id: string; at: number }

export async function insertAuditEvent(tx: Tx, event: StoredAuditEvent): Promise<void> {
  await tx('audit_event').insert({
    id: event.id,
    at: event.at,
    action: event.action,
    actor_type: event.actor.type,
    actor_id: event.actor.id ?? null,
    subject_type: event.subject?.type ?? null,
    subject_id: event.subject?.id ?? null,
    client_id: event.clientId ?? null,
    address: event.address ?? null,
    outcome: event.outcome,
    details: JSON.stringify(event.details ?? {}),
  })
}

/** What was done to one subject, the newest first, at most `limit`. */
export const listAuditEventsOf = (db: Queryable, subject: { type: string; id: string }, limit: number) =>
  listEvents(db, limit, subject)

/** Which of the ids the trail knows as subjects of this type. */
export async function listKnownSubjects(db: Queryable, type: string, ids: readonly string[]): Promise<string[]> {
  const { rows } = await db.raw(
    `SELECT asked.id FROM unnest(?::text[]) AS asked (id)
     WHERE EXISTS (SELECT FROM audit_event WHERE subject_type = ? AND subject_id = asked.id)`,
    [ids, type],
  )
  return rows.map((row: { id: string }) => row.id)
}

/** The newest events first, at most `limit`. */
export const listAuditEvents = (db: Queryable, limit: number): Promise<StoredAuditEvent[]> => listEvents(db, limit)

async function listEvents(db: Queryable, limit: number, subject?: { type: string; id: string }) {
  const rows = await db('audit_event')
    .where(subject ? { subject_type: subject.type, subject_id: subject.id } : {})
    .select('id', 'at', 'action', 'actor_type', 'actor_id', 'subject_type', 'subject_id', 'client_id', 'address')
    .select('outcome', 'details')
    .orderBy('sequence', 'desc')
    .limit(limit)
  return rows.map(
    (row): StoredAuditEvent => ({
      id: row.id,
      at: Number(row.at),
      action: row.action,
      actor: { type: row.actor_type, id: row.actor_id ?? undefined },
      subject: row.subject_type ? { type: row.subject_type, id: row.subject_id } : undefined,
      clientId: row.client_id ?? undefined,
      address: row.address ?? undefined,
      outcome: row.outcome,
      details: row.details,
    }),
  )
}
