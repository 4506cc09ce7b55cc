/** Everything Latchkey sends at least once: one list. Mail, logout tokens and webhooks join it with their features. */
import { auditLog } from './audit-log.ts'

export const kinds = [auditLog] as const
