/**
 * Recovery by an emailed link to a new password. The link proves only the mailbox: it does not sign
 * in, and a second factor is still required.
 */
import type { AccountRecords } from '../accounts/records.ts'
import type { Account, Accounts } from '../accounts/service.ts'
import type { Audit } from '../audit/service.ts'
import type { AccountReset, AccountResetResult } from '../authentication/account-reset-types.ts'
import type { Clock } from '../clock.ts'
import type { Transaction, Tx } from '../database/database.ts'
import type { EmailIntent } from '../email/intent.ts'
import type { EmailLink, EmailLinks } from '../email-links/service.ts'
import type { RequestOrigin } from '../origin.ts'
import type { PasswordHasher } from '../passwords/hasher.ts'
import type { CheckPassword } from '../passwords/service.ts'
import { newPasswordInvalid } from './errors.ts'

type Deps = {
  accounts: Pick<Accounts, 'readById' | 'checkProfile'>
  records: AccountRecords
  emailLinks: EmailLinks
  passwords: PasswordHasher
  /** Checks a new password for this user. */
  checkPassword: CheckPassword
  /** Whether emails are delivered. */
  canSendEmail: boolean
  sendEmail: (tx: Tx, intent: EmailIntent) => Promise<void>
  /** Begins a new generation, which ends all earlier sessions and sign-ins. */
  resetAccount: AccountReset
  /** Passkeys cannot sign in alone until they are used with the new password. */
  revokePasskeyTrust: (tx: Tx, accountId: string) => Promise<void>
  /** Removes the lock of an email address after failed logins. */
  clearFailedLogins: (tx: Tx, account: Account) => Promise<void>
  transaction: Transaction
  audit: Audit
  clock: Clock
}

export type Recovery = ReturnType<typeof createRecovery>

type Request = { email: string; interactionUid: string | undefined; origin: RequestOrigin }

export function createRecovery(deps: Deps) {
  const { accounts, records, emailLinks, passwords, transaction, audit, clock } = deps

  /** Only the account's current and proven email can recover it. */
  const isRecoverable = ({ isEmailVerified, isDisabled, email, emailProblem }: Account, link: EmailLink): boolean =>
    isEmailVerified &&
    !isDisabled &&
    emailProblem === undefined &&
    records.normaliseEmail(email) === records.normaliseEmail(link.email)

  async function find(token: string): Promise<Account> {
    const link = await emailLinks.get('recover', token)
    const account = await accounts.readById(link.accountId)
    if (!account || !isRecoverable(account, link)) return emailLinks.refuse()
    return account
  }

  return {
    isOffered: deps.canSendEmail,
    showEmail: records.showEmail,

    /**
     * Requests a link. The account is looked up only when the email is sent, so answer and timing
     * do not reveal it. Throws `new_password_invalid` for an invalid email.
     */
    request: async ({ email, interactionUid, origin }: Request): Promise<void> => {
      const problems = accounts.checkProfile({ email })
      if (problems.length > 0) throw newPasswordInvalid(problems)
      const returnTo = {
        ...(interactionUid !== undefined && { go: interactionUid }),
        address: origin.ip,
        requestId: origin.requestId,
      }
      await transaction((tx) => deps.sendEmail(tx, { mail: 'recovery', email, askedAtMs: clock.now(), ...returnTo }))
    },

    /** The account of the link. Changes nothing. Throws `link_expired`. */
    show: async (token: string): Promise<{ email: string }> => ({ email: (await find(token)).email }),

    /**
     * Sets the password, spends the link, and ends every session and token.
     * Throws `link_expired`, `new_password_invalid` (the link stays valid), `hashing_busy`.
     */
    reset: async (token: string, password: string, origin: RequestOrigin): Promise<AccountResetResult> => {
      const owner = await find(token)
      const problems = await deps.checkPassword(password, owner)
      if (problems.length > 0) throw newPasswordInvalid(problems)
      const passwordHash = await passwords.hash(password, { ip: origin.ip, account: owner.id })
      return transaction(async (tx) => {
        const link = await emailLinks.spend(tx, 'recover', token)
        const { account } = await records.lock(tx, link.accountId, link.generation)
        if (!isRecoverable(account, link)) emailLinks.refuse()
        await records.setPasswordHash(tx, account.id, passwordHash)
        await deps.revokePasskeyTrust(tx, account.id)
        // The browser becomes known, so that strangers' attempts cannot lock it out.
        const end = await deps.resetAccount(tx, account.id, { knownBrowser: { email: account.email } })
        await deps.clearFailedLogins(tx, account)
        await audit.recordOwn(tx, { action: 'account.recovered', accountId: account.id, origin })
        await deps.sendEmail(tx, { mail: 'password_changed', accountId: account.id, askedAtMs: clock.now() })
        return end
      })
    },
  }
}
