/**
 * Account deletion: the request, the grace period in which the user can cancel, and the deletion.
 */
import type { AccountRecords } from '../accounts/records.ts'
import type { Account, Accounts } from '../accounts/service.ts'
import type { Audit } from '../audit/service.ts'
import type { AccountReset, AccountResetResult } from '../authentication/account-reset-types.ts'
import type { Clock } from '../clock.ts'
import type { Queryable, Transaction, Tx } from '../database/database.ts'
import type { EmailIntent } from '../email/intent.ts'
import type { Origin } from '../origin.ts'
import type { Settings } from '../settings/service.ts'
import { accountClientId } from './client.ts'
import { accountDeletionPending } from './errors.ts'
import type { AccountChanges, Caller } from './service.ts'

type Deps = {
  db: Queryable
  changes: Pick<AccountChanges, 'prove' | 'preservedAccessOf'>
  records: Pick<AccountRecords, 'lock' | 'setDeleteAt' | 'listIdsToDelete' | 'remove'>
  settings: Pick<Settings, 'get'>
  sendEmail: (tx: Tx, intent: EmailIntent) => Promise<void>
  resetAccount: AccountReset
  issuer: string
  transaction: Transaction
  audit: Audit
  clock: Clock
}

export type AccountDeletion = ReturnType<typeof createAccountDeletion>

/** For clients: only the account page sees an account with a pending deletion. */
export const createFindForClient =
  (accounts: Pick<Accounts, 'findById'>) =>
  async (id: string, clientId: string | undefined): Promise<Account | undefined> => {
    const account = await accounts.findById(id)
    return account?.deleteAt !== undefined && clientId !== accountClientId ? undefined : account
  }

const deletionBatchSize = 100

export function createAccountDeletion(deps: Deps) {
  const { records, transaction, audit, clock } = deps

  return {
    /**
     * With a pending deletion, only the account page accepts a sign-in. Throws `account_leaving`.
     */
    refusePendingDeletion: ({ deleteAt }: { deleteAt: number | undefined }, clientId: string): void => {
      if (deleteAt === undefined || clientId === accountClientId) return
      throw accountDeletionPending({
        params: { date: new Date(deleteAt).toISOString().slice(0, 10), url: `${deps.issuer}/account` },
      })
    },

    /**
     * Ends all access except this session. The account is deleted after the grace period. Returns
     * the result of the reset. Throws as `prove`.
     */
    request: async (caller: Caller): Promise<AccountResetResult> => {
      const before = await deps.changes.prove(caller)
      const { id, generation } = before
      const deleteAt = clock.now() + deps.settings.get().accountDeletionSeconds * 1000
      return transaction(async (tx) => {
        await records.lock(tx, id, generation)
        await records.setDeleteAt(tx, id, deleteAt)
        const end = await deps.resetAccount(tx, id, deps.changes.preservedAccessOf(caller, before))
        await audit.recordOwn(tx, { action: 'account.deletion_requested', accountId: id, origin: caller.origin })
        await deps.sendEmail(tx, { mail: 'account_leaving', accountId: id, untilMs: deleteAt, askedAtMs: clock.now() })
        return end
      })
    },

    /** Cancels the deletion. Throws `account_reset` in a session of an earlier generation. */
    cancel: (accountId: string, generation: number, origin: Origin): Promise<void> =>
      transaction(async (tx) => {
        const { account } = await records.lock(tx, accountId, generation)
        if (account.deleteAt === undefined) return
        await records.setDeleteAt(tx, accountId, undefined)
        await audit.recordOwn(tx, { action: 'account.deletion_withdrawn', accountId, origin })
      }),

    /**
     * Deletes each due account in its own transaction. The audit trail keeps only its id. Returns
     * how many were due, including deletions that were cancelled meanwhile.
     */
    deleteDue: async (): Promise<number> => {
      const ids = await records.listIdsToDelete(deps.db, deletionBatchSize)
      for (const id of ids) {
        await transaction(async (tx) => {
          const { account } = await records.lock(tx, id)
          // The user cancelled the deletion in the meantime.
          if (account.deleteAt === undefined || account.deleteAt > clock.now()) return
          await deps.resetAccount(tx, id)
          await records.remove(tx, id)
          await audit.record(tx, {
            action: 'account.deleted',
            by: { actor: { type: 'system' }, origin: { job: 'delete-accounts' } },
            subject: { type: 'account', id },
            outcome: 'success',
          })
          if (account.isEmailVerified) {
            await deps.sendEmail(tx, { mail: 'account_deleted', to: account.email, askedAtMs: clock.now() })
          }
        })
      }
      return ids.length
    },
  }
}
