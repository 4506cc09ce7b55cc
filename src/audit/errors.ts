/** Failures of the audit trail. Both are defects of the caller, never of a request. */
import { declareError } from '../errors.ts'

export const unknownAuditAction = declareError('unknown_audit_action', 500)
export const auditDetailsRefused = declareError('audit_details_refused', 500)
