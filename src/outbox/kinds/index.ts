/** Everything Latchkey sends at least once: one list. Logout tokens and webhooks join it with their features. */
import { auditLog } from './audit-log.ts'
import { mail } from './mail.ts'

export const kinds = [auditLog, mail] as const
