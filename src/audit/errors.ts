/** Failures of the audit trail. Both are bugs of the calling code, never errors of a request. */
import { declareError } from '../errors.ts'

export const unknownAuditAction = declareError('unknown_audit_action', 500)
export const auditDetailsRefused = declareError('audit_details_refused', 500)
