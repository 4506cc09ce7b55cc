/**
 * Everything that Latchkey sends at least once, in one list. Webhooks will be added with their
 * feature.
 */
import { auditLog } from './audit-log.ts'
import { emailKind } from './email.ts'
import { logout } from './logout.ts'

export const kinds = [auditLog, logout, emailKind] as const
