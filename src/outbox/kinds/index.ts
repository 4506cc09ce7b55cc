/** Everything Latchkey sends at least once: one list. Webhooks join it with their feature. */
import { auditLog } from './audit-log.ts'
import { logout } from './logout.ts'
import { mail } from './mail.ts'

export const kinds = [auditLog, logout, mail] as const
