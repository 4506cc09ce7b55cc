/** Audit events as lines of the log: every committed change, and only those. */
import type { OutboxKind } from '../kind.ts'

/** One event of the audit trail, as in `audit_event`. */
export type AuditLogPayload = Readonly<Record<string, unknown> & { action: string }>

export const auditLog: OutboxKind<'audit-log', AuditLogPayload> = { name: 'audit-log' }
