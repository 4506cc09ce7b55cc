/** Everything Latchkey sends at least once: one list. Mail and webhooks join it with their features. */
import { auditLog } from './audit-log.ts'
import { logout } from './logout.ts'

export const kinds = [auditLog, logout] as const
