/** Everything Latchkey sends at least once: one list. Webhooks join it with their feature. */
import { auditLog } from './audit-log.ts'
import { emailKind } from './email.ts'
import { logout } from './logout.ts'

export const kinds = [auditLog, logout, emailKind] as const
