/** Registration creates an unproven account, which grants nothing until its email is proven. */
import type { AccountRecords, LockedAccount } from '../accounts/records.ts'
import type { Account, Accounts } from '../accounts/service.ts'
import type { Audit, Initiator, OwnEvent } from '../audit/service.ts'
import type { Clock } from '../clock.ts'
import type { Transaction, Tx } from '../database/database.ts'
import type { EmailIntent } from '../email/intent.ts'
import type { EmailLink, EmailLinkPurpose, EmailLinks } from '../email-links/service.ts'
import type { RequestOrigin } from '../origin.ts'
import type { PasswordHasher } from '../passwords/hasher.ts'
import type { CheckPassword } from '../passwords/service.ts'
import type { Problem } from '../problems.ts'
import type { Random } from '../random.ts'
import type { Settings } from '../settings/service.ts'
import { emailNotConfigured, emailUnverified, registrationClosed, registrationInvalid } from './errors.ts'
import type { Invitation } from './invitation.ts'
import { createPrepareInvitation } from './invitation.ts'

type Deps = {
  accounts: Pick<Accounts, 'readById' | 'readRegisteredBrowser' | 'findByEmail' | 'checkProfile' | 'within'>
  records: AccountRecords
  emailLinks: EmailLinks
  passwords: PasswordHasher
  /** Checks a new password for this user. */
  checkPassword: CheckPassword
  settings: Pick<Settings, 'get'>
  /** Whether emails are delivered. Without email, no address can be proven. */
  canSendEmail: boolean
  sendEmail: (tx: Tx, intent: EmailIntent) => Promise<void>
  /** Ends sessions, tokens and consents, which another person may have set up in advance. */
  handOverAccount: (tx: Tx, accountId: string) => Promise<void>
  transaction: Transaction
  audit: Audit
  clock: Clock
  random: Random
}

export type Registration = ReturnType<typeof createRegistration>

/** The browser's digest, and the origin of the request. */
type BrowserContext = { browser: Buffer | undefined; origin: RequestOrigin }
type ApplicantInput = { name: string; password: string }
type NewCredentials = { name: string; passwordHash: string; origin: RequestOrigin; action: OwnEvent['action'] }
/** The interaction to return to, and the origin of the request. */
type ReturnTarget = { interactionUid: string | undefined; origin: RequestOrigin }
/** A sign-in with the right password or passkey. */
type ProvenSignIn = ReturnTarget & { clientId: string }
type Applicant = { email: string; name: string; password: string; interactionUid: string | undefined }

/**
 * What the page of a link requires. `confirm`: a button. `prove`: the password of the registration,
 * or a new name and password.
 */
export type Proof = { kind: 'confirm' | 'prove' | 'invited'; email: string; name: string | undefined }

export function createRegistration(deps: Deps) {
  const prepareInvitation = createPrepareInvitation(deps)
  const { accounts, records, emailLinks, passwords, settings, transaction, audit, clock, random } = deps

  const isOpen = () => deps.canSendEmail && settings.get().registration === 'open'

  async function refuseInvalid({ name, password, email }: Omit<Applicant, 'interactionUid'>): Promise<void> {
    const problems: Problem[] = [
      ...(name.trim() === '' ? [{ path: 'name', code: 'required' }] : accounts.checkProfile({ email, name })),
      ...(await deps.checkPassword(password, { email, name })),
    ]
    if (name.trim() === '') problems.push(...accounts.checkProfile({ email }))
    if (problems.length > 0) throw registrationInvalid(problems)
  }

  /** Whether a link can prove this account: unproven, and with the email of the link. */
  const isProvable = ({ isEmailVerified, isDisabled, email, emailProblem }: Account, link: EmailLink): boolean =>
    !isEmailVerified &&
    !isDisabled &&
    emailProblem === undefined &&
    records.normaliseEmail(email) === records.normaliseEmail(link.email)

  async function find(purpose: EmailLinkPurpose, token: string): Promise<Account> {
    const link = await emailLinks.get(purpose, token)
    const account = await accounts.readById(link.accountId)
    if (!account || !isProvable(account, link)) return emailLinks.refuse()
    return account
  }

  /**
   * Spends the link and runs `work` on the locked account, in one transaction. Of concurrent calls
   * only the first succeeds.
   */
  const prove = (
    purpose: EmailLinkPurpose,
    token: string,
    work: (tx: Tx, locked: LockedAccount) => Promise<void>,
  ): Promise<void> =>
    transaction(async (tx) => {
      const link = await emailLinks.spend(tx, purpose, token)
      const locked = await records.lock(tx, link.accountId, link.generation)
      if (!isProvable(locked.account, link)) emailLinks.refuse()
      await work(tx, locked)
      await emailLinks.end(tx, link.accountId, ['verify', 'invite'])
    })

  const isSame = (left: Buffer | undefined, right: Buffer | undefined): boolean =>
    left !== undefined && right !== undefined && left.equals(right)

  /**
   * The mailbox owner takes over an account that another person registered. The account gets a new
   * id, because applications may store the other person's data under the old id.
   */
  async function reclaim(tx: Tx, { account, registeredBrowser }: LockedAccount, credentials: NewCredentials) {
    const { name, passwordHash, origin, action } = credentials
    await deps.handOverAccount(tx, account.id)
    // An administrator created this account, so it keeps its id.
    if (registeredBrowser === undefined) {
      await records.setPasswordHash(tx, account.id, passwordHash)
      await records.setName(tx, account.id, name)
      await records.markVerified(tx, account.id)
      await audit.recordOwn(tx, { action, accountId: account.id, origin })
      return
    }
    const id = random.id()
    await records.remove(tx, account.id)
    await records.insertProven(tx, { id, email: account.email, name, passwordHash })
    const details = { instead_of: account.id }
    await audit.recordOwn(tx, { action: 'account.reclaimed', accountId: id, origin, details })
  }

  const sendRegistrationEmail = (tx: Tx, email: string, { interactionUid, origin }: ReturnTarget): Promise<void> => {
    const returnTo = {
      ...(interactionUid !== undefined && { go: interactionUid }),
      address: origin.ip,
      requestId: origin.requestId,
    }
    return deps.sendEmail(tx, { mail: 'registration', email, askedAtMs: clock.now(), ...returnTo })
  }

  return {
    isOpen,
    normaliseEmail: records.normaliseEmail,
    showEmail: records.showEmail,

    /** Throws `registration_closed`. */
    refuseUnlessOpen: (): void => {
      if (!isOpen()) throw registrationClosed()
    },

    /**
     * Creates an unproven account. Answer and timing do not reveal whether the email has one.
     * `admit` runs after all checks.
     * Throws `registration_closed`, `registration_invalid` with every problem, `hashing_busy`.
     */
    register: async (
      { email, name, password, interactionUid }: Applicant,
      { browser, origin }: BrowserContext & { browser: Buffer },
      admit: () => Promise<void>,
    ): Promise<void> => {
      if (!isOpen()) throw registrationClosed()
      await refuseInvalid({ email, name, password })
      // Called only now, because a refused form does not count as a registration.
      await admit()
      // The hash is also computed for an existing email, so that the timing is the same.
      const passwordHash = await passwords.hash(password, {
        ip: origin.ip,
        account: records.normaliseEmail(email),
      })
      await transaction(async (tx) => {
        const id = random.id()
        const row = { id, email, name: name.trim(), passwordHash }
        const isMade = await records.insertRegistered(tx, row, browser)
        const known = await records.findIdByEmail(tx, email)
        const action = isMade ? 'account.registered' : 'account.registration_repeated'
        await audit.record(tx, {
          action,
          by: { actor: { type: 'system' }, origin },
          subject: { type: 'account', id: known ?? id },
          outcome: 'success',
        })
        await sendRegistrationEmail(tx, email, { interactionUid, origin })
      })
    },

    /**
     * Sends the link again and throws `email_unverified` when the email must be proven first. The
     * error reveals the account, so the caller must have verified the password or passkey.
     */
    refuseUnproven: async (account: Account, { interactionUid, origin, clientId }: ProvenSignIn): Promise<void> => {
      if (account.isEmailVerified || settings.get().emailVerification !== 'required') return
      await transaction(async (tx) => {
        await audit.recordRefusedSignIn(tx, { reason: 'unverified', accountId: account.id, clientId, origin })
        await sendRegistrationEmail(tx, account.email, { interactionUid, origin })
      })
      throw emailUnverified()
    },

    /** The data of a verification link's page. Changes nothing. Throws `link_expired`. */
    showVerification: async (token: string, browser: Buffer | undefined): Promise<Proof> => {
      const account = await find('verify', token)
      const isHere = isSame(browser, await accounts.readRegisteredBrowser(account.id))
      return { kind: isHere ? 'confirm' : 'prove', email: account.email, name: account.name }
    },

    /**
     * The browser that registered the account proves its email. Throws `link_expired`. In another
     * browser the link stays valid.
     */
    confirm: (token: string, { browser, origin }: BrowserContext): Promise<void> =>
      prove('verify', token, async (tx, { account, registeredBrowser }) => {
        if (!isSame(browser, registeredBrowser)) emailLinks.refuse()
        await records.markVerified(tx, account.id)
        await audit.recordOwn(tx, { action: 'account.email_verified', accountId: account.id, origin })
      }),

    /**
     * Another browser proves the email with the password of the registration. Throws
     * `link_expired`, `registration_invalid`, and the errors of the hasher.
     */
    confirmWithPassword: async (token: string, password: string, { origin }: BrowserContext): Promise<void> => {
      const before = await find('verify', token)
      const requester = { ip: origin.ip, account: before.id }
      // Counted before the comparison, so that concurrent attempts all count.
      const tried = await emailLinks.tryPassword('verify', token, () =>
        passwords.verify(password, before.passwordHash, requester),
      )
      if (!tried) throw registrationInvalid([{ path: 'password', code: 'password_tries_used' }])
      if (!tried.matches) throw registrationInvalid([{ path: 'password', code: 'password_not_chosen' }])
      await prove('verify', token, async (tx, { account }) => {
        if (account.passwordHash !== before.passwordHash) emailLinks.refuse()
        await records.markVerified(tx, account.id)
        await audit.recordOwn(tx, { action: 'account.email_verified', accountId: account.id, origin })
      })
    },

    /**
     * Another browser proves the email and starts again with a new name and password. Throws
     * `link_expired`, `registration_invalid`, `hashing_busy`.
     */
    startOver: async (token: string, { name, password }: ApplicantInput, { origin }: BrowserContext): Promise<void> => {
      const { id, email } = await find('verify', token)
      await refuseInvalid({ email, name, password })
      const passwordHash = await passwords.hash(password, { ip: origin.ip, account: id })
      const credentials = { name: name.trim(), passwordHash, origin, action: 'account.email_verified' } as const
      await prove('verify', token, (tx, locked) => reclaim(tx, locked, credentials))
    },

    /**
     * Emails an invitation to an account without a password. Returns its id. A second invitation
     * revokes the first. Throws `account_invalid`, `email_taken`, `mail_not_configured`.
     */
    invite: (input: Invitation, by: Initiator): Promise<string> => {
      if (!deps.canSendEmail) throw emailNotConfigured()
      return transaction(async (tx) => {
        const accountId = await prepareInvitation(tx, input, by)
        const subject = { type: 'account', id: accountId }
        await audit.record(tx, { action: 'account.invited', by, subject, outcome: 'success' })
        const { account } = await records.lock(tx, accountId)
        const { generation } = account
        await deps.sendEmail(tx, { mail: 'invitation', accountId, generation, askedAtMs: clock.now() })
        return accountId
      })
    },

    /** The data of an invitation's page. Changes nothing. Throws `link_expired`. */
    showInvitation: async (token: string): Promise<Proof> => {
      const { id, email, name, passwordHash } = await find('invite', token)
      // Without a registering browser and a password, only an administrator can have set the name.
      const isTheirs = passwordHash === undefined && (await accounts.readRegisteredBrowser(id)) === undefined
      return { kind: 'invited', email, name: isTheirs ? name : undefined }
    },

    /**
     * The invited user chooses a name and a password. Throws `link_expired`,
     * `registration_invalid`, `hashing_busy`.
     */
    acceptInvitation: async (
      token: string,
      { name, password }: ApplicantInput,
      { origin }: BrowserContext,
    ): Promise<void> => {
      const { id, email } = await find('invite', token)
      await refuseInvalid({ email, name, password })
      const passwordHash = await passwords.hash(password, { ip: origin.ip, account: id })
      const credentials = { name: name.trim(), passwordHash, origin, action: 'account.invitation_accepted' } as const
      await prove('invite', token, (tx, locked) => reclaim(tx, locked, credentials))
    },
  }
}
