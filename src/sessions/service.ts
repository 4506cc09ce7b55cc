/** Ending browser sessions: what was issued in one without offline access goes with it (OpenID Connect Core 1.0 §11). */
import type { ArtifactStore } from '../../adapters/index.ts'
import type { Audit } from '../audit/service.ts'
import type { Transaction } from '../database/database.ts'

type Deps = { transaction: Transaction; audit: Audit; artifacts: Pick<ArtifactStore, 'endSession'> }

export type Sessions = ReturnType<typeof createSessions>

export function createSessions({ transaction, audit, artifacts }: Deps) {
  return {
    /** Ends the session `sessionUid` of `accountId`, its tokens with it, and says so in the audit trail: one transaction. */
    end: (sessionUid: string, accountId: string | undefined, address: string | undefined): Promise<void> =>
      transaction(async (tx) => {
        await artifacts.endSession(tx, sessionUid)
        if (accountId === undefined) return
        await audit.record(tx, {
          action: 'account.signed_out',
          actor: { type: 'account', id: accountId },
          subject: { type: 'account', id: accountId },
          address,
          outcome: 'success',
        })
      }),
  }
}
