/** The audit record of a family of tokens that was ended because somebody used a spent one (RFC 9700 §4.14.2). */
import type { FamilyEnd } from '../../adapters/index.ts'
import type { Audit } from '../audit/service.ts'
import type { Tx } from '../database/database.ts'

/** Writes the record in the transaction that ends the family. */
export const createFamilyEndedNote =
  (audit: Audit) =>
  (tx: Tx, { reason, accountId, clientId, presentedBy }: FamilyEnd): Promise<void> =>
    audit.record(tx, {
      action: 'refresh_token.family_ended',
      actor: presentedBy === undefined ? { type: 'system' } : { type: 'client', id: presentedBy },
      ...(accountId !== undefined && { subject: { type: 'account', id: accountId } }),
      ...(clientId !== undefined && { clientId }),
      outcome: 'success',
      details: { reason },
    })
