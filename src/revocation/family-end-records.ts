/**
 * Records token families that ended because of theft (RFC 9700 §4.14.2): an audit event, and
 * metrics. `adapters/token-families.ts` detects the theft.
 */

import { Counter } from 'prom-client'
import type { FamilyEnd } from '../../adapters/index.ts'
import type { Audit } from '../audit/service.ts'
import type { Tx } from '../database/database.ts'
import type { Metrics } from '../metrics.ts'
import { originOf } from '../origin.ts'

type Deps = { audit: Audit; metrics: Metrics }

export function createFamilyEndRecords({ audit, metrics }: Deps) {
  const ended = new Counter({
    name: 'latchkey_token_families_ended_total',
    help: 'Families of tokens that were ended because a spent code or refresh token was used again',
    labelNames: ['reason'],
    registers: [metrics],
  })
  const repeated = new Counter({
    name: 'latchkey_refresh_repeats_total',
    help: 'Refreshes with a spent token that repeated the current token to its client, within the grace window',
    registers: [metrics],
  })

  return {
    /** Writes the record in the transaction that ends the family. */
    async onFamilyEnded(tx: Tx, { reason, accountId, clientId, presentedBy, request }: FamilyEnd): Promise<void> {
      ended.inc({ reason })
      await audit.record(tx, {
        action: 'refresh_token.family_ended',
        by: {
          actor: presentedBy === undefined ? { type: 'system' } : { type: 'client', id: presentedBy },
          origin: originOf(request),
        },
        ...(accountId !== undefined && { subject: { type: 'account', id: accountId } }),
        ...(clientId !== undefined && { clientId }),
        outcome: 'success',
        details: { reason },
      })
    },
    onRepeated: (): void => repeated.inc(),
  }
}
