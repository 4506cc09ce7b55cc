/** Audit events as lines of the log: only of changes that were committed, and each of them. */
import type { OutboxKind } from '../kind.ts'

/** One event of the audit trail, as `audit_event` holds it. */
export type AuditLogPayload = Readonly<Record<string, unknown> & { action: string }>

export const auditLog: OutboxKind<'audit-log', AuditLogPayload> = { name: 'audit-log' }
