/**
 * Users change their password and email here. Each change needs a proof, or a link opened in the
 * account's session. It ends all other sessions. A verified email is notified.
 */
import type { AccountRecords } from '../accounts/records.ts'
import type { Account, Accounts } from '../accounts/service.ts'
import type { Audit } from '../audit/service.ts'
import type { AccountReset, AccountResetResult, PreservedAccess } from '../authentication/account-reset-types.ts'
import type { Clock } from '../clock.ts'
import type { Transaction, Tx } from '../database/database.ts'
import type { EmailIntent } from '../email/intent.ts'
import type { EmailLinks } from '../email-links/service.ts'
import type { LoginThrottle } from '../limits/login-throttle.ts'
import type { PasswordCheckLimit } from '../limits/password-check-limit.ts'
import type { RequestOrigin } from '../origin.ts'
import type { PasswordHasher, Requester } from '../passwords/hasher.ts'
import type { CheckPassword } from '../passwords/service.ts'
import { changeInvalid, proofRefused } from './errors.ts'

type Deps = {
  accounts: Pick<Accounts, 'readById' | 'checkProfile'>
  records: AccountRecords
  emailLinks: EmailLinks
  passwords: PasswordHasher
  /** Checks a new password for this user. */
  checkPassword: CheckPassword
  sendEmail: (tx: Tx, intent: EmailIntent) => Promise<void>
  /** Begins a new generation. Only preserved access stays valid. */
  resetAccount: AccountReset
  /** Counts a signed-in account's attempts at its own password. */
  attemptPasswordCheck: LoginThrottle['attemptPasswordCheck']
  /** Limits right passwords too, because each check costs a hash. */
  passwordCheckLimit: PasswordCheckLimit
  /** Removes the count and the lock of the account's failed logins. */
  clearFailedLogins: (tx: Tx, account: Account) => Promise<void>
  transaction: Transaction
  audit: Audit
  clock: Clock
}

export type AccountChanges = ReturnType<typeof createAccountChanges>

/**
 * The password, or a second factor or passkey checked in this session at this time (milliseconds
 * since the epoch).
 */
export type FreshProof = { password: string } | { factorProvenAtMs: number }

/** The session that requests a change, with its generation. It continues under a new id. */
export type CallerSession = Readonly<{ uid: string; id: string; generation: number }>

/**
 * The tokens of two cookies. `knownToken`: the browser signed in before. `rememberedToken`: it may
 * skip the second factor.
 */
export type CallerBrowser = Readonly<{ knownToken?: string | undefined; rememberedToken?: string | undefined }>

type EmailOwner = Pick<Account, 'email' | 'emailProblem'>

/** The access of a request that stays valid in the new generation. */
type RequestAccess = { session?: CallerSession | undefined; browser?: CallerBrowser | undefined }

export type Caller = Readonly<{
  accountId: string
  proof: FreshProof
  /** Undefined: outside a session, with the password as the only proof. */
  session?: CallerSession
  browser?: CallerBrowser
  origin: RequestOrigin
}>

/** The session, of any account, in the browser that opened the link. */
type LinkSession = CallerSession & Readonly<{ accountId: string }>
type LinkProof = Readonly<{ accountId: string; password?: string | undefined; origin: RequestOrigin }>
type EmailConfirmation = Pick<Caller, 'browser' | 'origin'> & Readonly<{ session?: LinkSession; password?: string }>

/** OWASP ASVS 7.5.1: a sensitive change needs a recent proof. */
const freshForMs = 5 * 60 * 1000

export function createAccountChanges(deps: Deps) {
  const { accounts, records, emailLinks, passwords, passwordCheckLimit, transaction, audit, clock } = deps

  async function verify(password: string, account: Account | undefined, requester: Requester): Promise<boolean> {
    const { matches } = await passwords.verify(password, account?.passwordHash, requester)
    if (account && matches) await passwordCheckLimit.count({ email: account.email, ip: requester.ip })
    return matches
  }

  /**
   * Checks the proof and returns the account, for a change in that generation. Throws errors of
   * the hasher, `proof_refused` (audited), `proof_locked`, `too_many_requests`, `account_reset`.
   */
  async function prove({ accountId, proof, session, origin }: Caller): Promise<Account> {
    const account = await accounts.readById(accountId)
    if (account && session && session.generation !== account.generation) records.refuseReset()
    if (account && 'password' in proof) passwordCheckLimit.refuseKnown(account.email)
    const isProven =
      'password' in proof
        ? await deps.attemptPasswordCheck(
            { accountId },
            () => verify(proof.password, account, { ip: origin.ip, account: accountId }),
            (matches) => matches,
          )
        : isFresh(proof.factorProvenAtMs)
    if (account && isProven && !account.isDisabled) return account
    if (account) {
      const person = { type: 'account', id: account.id } as const
      // Without a session, the actor is unknown.
      const by = { actor: session ? person : ({ type: 'anonymous' } as const), origin }
      const refused = { action: 'account.change_refused', by, subject: person, outcome: 'failure' } as const
      await transaction((tx) => audit.record(tx, refused))
    }
    throw proofRefused()
  }

  const isFresh = (atMs: number) => atMs <= clock.now() && clock.now() - atMs <= freshForMs

  const preservedAccessOf = (
    { session, browser }: RequestAccess,
    { email, emailProblem }: EmailOwner,
  ): PreservedAccess => ({
    ...(session && { session }),
    // A known browser is stored by email, and an email with a problem does not find this account.
    ...(browser?.knownToken !== undefined && emailProblem === undefined && { knownBrowser: { email } }),
    ...(browser?.rememberedToken !== undefined && { rememberedToken: browser.rememberedToken }),
  })

  async function findEmailChange(token: string) {
    const link = await emailLinks.get('change_email', token)
    const account = await accounts.readById(link.accountId)
    if (!account || account.isDisabled || account.generation !== link.generation) return emailLinks.refuse()
    return { link, account }
  }

  const isSessionOf = (session: LinkSession | undefined, { id, generation }: Account): boolean =>
    session?.accountId === id && session.generation === generation

  /**
   * Each link allows five attempts, in addition to the account's limit. More links give an attacker
   * no more guesses.
   */
  async function proveOnLink(token: string, { accountId, password = '', origin }: LinkProof): Promise<void> {
    const claim = { accountId, proof: { password }, origin }
    const proven = await emailLinks.tryPassword('change_email', token, () => prove(claim))
    if (proven === undefined) throw changeInvalid([{ path: 'currentPassword', code: 'email_change_tries_used' }])
  }

  return {
    prove,
    preservedAccessOf,

    /**
     * Changes the password and resets the account. Throws as `prove`, and `change_invalid` for the
     * new password.
     */
    changePassword: async (caller: Caller & { newPassword: string }): Promise<AccountResetResult> => {
      const before = await prove(caller)
      const problems = await deps.checkPassword(caller.newPassword, before)
      if (problems.length > 0) throw changeInvalid(problems.map((problem) => ({ ...problem, path: 'newPassword' })))
      const passwordHash = await passwords.hash(caller.newPassword, { ip: caller.origin.ip, account: before.id })
      return transaction(async (tx) => {
        const { account } = await records.lock(tx, before.id, before.generation)
        await records.setPasswordHash(tx, account.id, passwordHash)
        const end = await deps.resetAccount(tx, account.id, preservedAccessOf(caller, account))
        await deps.clearFailedLogins(tx, account)
        await audit.recordOwn(tx, {
          action: 'account.password_changed',
          accountId: account.id,
          origin: caller.origin,
        })
        await deps.sendEmail(tx, { mail: 'password_changed', accountId: account.id, askedAtMs: clock.now() })
        return end
      })
    },

    /**
     * Sends a link to the new email within the limit, also when that email has an account. Earlier
     * links become invalid. Throws as `prove`, and `change_invalid`.
     */
    requestEmailChange: async (caller: Caller & { newEmail: string }): Promise<void> => {
      const problems = accounts.checkProfile({ email: caller.newEmail })
      if (problems.length > 0) throw changeInvalid(problems.map((problem) => ({ ...problem, path: 'newEmail' })))
      const { id, generation } = await prove(caller)
      const askedAtMs = clock.now()
      const email = records.showEmail(caller.newEmail)
      await transaction(async (tx) => {
        const { account } = await records.lock(tx, id, generation)
        await audit.recordOwn(tx, { action: 'account.email_change_requested', accountId: id, origin: caller.origin })
        // Counted before the email is looked up, so that the limit does not reveal accounts.
        const isWithinLimit = await emailLinks.begin(
          tx,
          'change_email',
          { accountId: id, email, generation },
          askedAtMs,
        )
        // The account's own unproven email gets a registration link, with its restrictions.
        if (!account.isEmailVerified && records.normaliseEmail(email) === records.normaliseEmail(account.email)) {
          await deps.sendEmail(tx, { mail: 'registration', email: account.email, askedAtMs })
        } else if (isWithinLimit) {
          await deps.sendEmail(tx, { mail: 'email_change', accountId: id, email, generation, askedAtMs })
        }
      })
    },

    /**
     * The new email of a link, and whether the browser needs the account's password because it has
     * no session of the account. Throws `link_expired`.
     */
    showEmailChange: async (token: string, session: LinkSession | undefined) => {
      const { link, account } = await findEmailChange(token)
      return { email: link.email, needsPassword: !isSessionOf(session, account) }
    },

    /**
     * Replaces the email. `password` is needed outside a session of the account.
     * Throws as `prove`, and `link_expired`, `change_invalid`, `email_taken`.
     */
    confirmEmailChange: async (token: string, confirmation: EmailConfirmation): Promise<AccountResetResult> => {
      const { session, browser, password, origin } = confirmation
      const { account: found } = await findEmailChange(token)
      const isHere = isSessionOf(session, found)
      if (!isHere) await proveOnLink(token, { accountId: found.id, password, origin })
      return transaction(async (tx) => {
        const { accountId, email, generation } = await emailLinks.spend(tx, 'change_email', token)
        const { account } = await records.lock(tx, accountId, generation)
        if (account.isDisabled || generation !== found.generation) emailLinks.refuse()
        // Throws when another account has this email, even unproven.
        await records.changeEmail(tx, accountId, email)
        const end = await deps.resetAccount(
          tx,
          accountId,
          isHere ? preservedAccessOf({ session, browser }, { email, emailProblem: undefined }) : {},
        )
        await audit.recordOwn(tx, { action: 'account.email_changed', accountId, origin })
        // An unproven address may belong to another person, so it gets no email.
        if (account.isEmailVerified) {
          await deps.sendEmail(tx, { mail: 'email_changed', accountId, to: account.email, askedAtMs: clock.now() })
        }
        return end
      })
    },
  }
}
