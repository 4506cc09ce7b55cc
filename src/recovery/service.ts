/** Recovery: an emailed link to a new password. It proves the mailbox and nothing else: nobody is signed in, and a second factor is still asked. */
import type { AccountRecords } from '../accounts/records.ts'
import type { Account, Accounts } from '../accounts/service.ts'
import type { Audit } from '../audit/service.ts'
import type { AccountEnd, EndAccount } from '../authentication/account-reset.ts'
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
  /** What is wrong with a password that is being chosen for this person. */
  checkPassword: CheckPassword
  /** Whether email reaches anybody. */
  canSendEmail: boolean
  sendEmail: (tx: Tx, intent: EmailIntent) => Promise<void>
  /** Begins a new generation: nothing that began before goes on. */
  endAccount: EndAccount
  /** Until their next use beside the new password, passkeys do not sign in alone. */
  revokePasskeyTrust: (tx: Tx, accountId: string) => Promise<void>
  /** Lifts the lock that failed logins have put on an email address. */
  clearFailedLogins: (tx: Tx, account: Account) => Promise<void>
  transaction: Transaction
  audit: Audit
  clock: Clock
}

export type Recovery = ReturnType<typeof createRecovery>

type Request = { email: string; interactionUid: string | undefined; origin: RequestOrigin }

/** The token of the device cookie that the browser gets, and the network address. */
export function createRecovery(deps: Deps) {
  const { accounts, records, emailLinks, passwords, transaction, audit, clock } = deps

  /** An address that is not the account's any more, or is not proven, recovers nothing. */
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
     * Asks for a link. Nobody is looked up here: whether the address has an account is found out when the email is sent, so that the answer and
     * its time cannot tell. Throws `new_password_invalid` for what is no address.
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

    /** Whose password the link is for; nothing changes. Throws `link_expired`. */
    show: async (token: string): Promise<{ email: string }> => ({ email: (await find(token)).email }),

    /**
     * Sets the password, uses the link up, and ends every session and token. Throws `link_expired`, `new_password_invalid` (the link stays
     * good), `hashing_busy`.
     */
    reset: async (token: string, password: string, origin: RequestOrigin): Promise<AccountEnd> => {
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
        // The browser is known from now on: what strangers try elsewhere does not lock it.
        const end = await deps.endAccount(tx, account.id, { knownBrowser: { email: account.email } })
        await deps.clearFailedLogins(tx, account)
        await audit.recordOwn(tx, { action: 'account.recovered', accountId: account.id, origin })
        await deps.sendEmail(tx, { mail: 'password_changed', accountId: account.id, askedAtMs: clock.now() })
        return end
      })
    },
  }
}
