/** An operator sets an account's email: a reset of the account, like the user's own change. */
import type { AccountRecords } from '../accounts/records.ts'
import type { Audit, Initiator } from '../audit/service.ts'
import type { AccountReset } from '../authentication/account-reset-types.ts'
import type { Clock } from '../clock.ts'
import type { Transaction, Tx } from '../database/database.ts'
import type { EmailIntent } from '../email/intent.ts'

type Deps = {
  records: Pick<AccountRecords, 'lock' | 'changeEmail'>
  sendEmail: (tx: Tx, intent: EmailIntent) => Promise<void>
  resetAccount: AccountReset
  transaction: Transaction
  audit: Audit
  clock: Clock
}

/** `isVerified`: the operator confirms that the email belongs to the user. */
type NewEmail = Readonly<{ email: string; isVerified: boolean }>

/** Throws `account_invalid`, `account_not_found`, `email_taken`. */
export function createSetEmail({ records, sendEmail, resetAccount, transaction, audit, clock }: Deps) {
  return (accountId: string, { email, isVerified }: NewEmail, by: Initiator): Promise<void> =>
    transaction(async (tx) => {
      const { account } = await records.lock(tx, accountId)
      await records.changeEmail(tx, accountId, email, isVerified)
      await resetAccount(tx, accountId)
      const subject = { type: 'account', id: accountId }
      const details = { is_verified: isVerified }
      await audit.record(tx, { action: 'account.email_set', by, subject, outcome: 'success', details })
      // An unproven email, or one of another account, may belong to a stranger.
      if (!account.isEmailVerified || account.emailProblem !== undefined) return
      await sendEmail(tx, { mail: 'email_changed', accountId, to: account.email, askedAtMs: clock.now() })
    })
}
