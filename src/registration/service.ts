/** Registration: an account, unproven; and the proof that the address is theirs, which alone makes it worth something. */
import type { AccountRecords, LockedAccount } from '../accounts/records.ts'
import type { Account, Accounts } from '../accounts/service.ts'
import type { Audit, Initiator, OwnEvent } from '../audit/service.ts'
import type { Clock } from '../clock.ts'
import type { Transaction, Tx } from '../database/database.ts'
import type { Link, LinkPurpose, Links } from '../links/service.ts'
import type { MailIntent } from '../mail/intent.ts'
import type { RequestOrigin } from '../origin.ts'
import type { PasswordHasher } from '../passwords/hasher.ts'
import type { CheckPassword } from '../passwords/service.ts'
import type { Problem } from '../problems.ts'
import type { Random } from '../random.ts'
import type { Settings } from '../settings/service.ts'
import { emailUnverified, mailNotConfigured, registrationClosed, registrationInvalid } from './errors.ts'
import type { Invited } from './invited.ts'
import { createPrepareInvited } from './invited.ts'

type Deps = {
  accounts: Pick<Accounts, 'readById' | 'readRegisteredBrowser' | 'findByEmail' | 'checkProfile' | 'within'>
  records: AccountRecords
  links: Links
  passwords: PasswordHasher
  /** What is wrong with a password that is being chosen for this person. */
  checkPassword: CheckPassword
  settings: Pick<Settings, 'get'>
  /** Whether mail reaches anybody: without it nobody could prove an address. */
  canSendMail: boolean
  sendMail: (tx: Tx, intent: MailIntent) => Promise<void>
  /** Ends sessions and tokens, and forgets what was allowed: all that somebody could have set up in advance. */
  voidAll: (tx: Tx, accountId: string) => Promise<void>
  transaction: Transaction
  audit: Audit
  clock: Clock
  random: Random
}

export type Registration = ReturnType<typeof createRegistration>

/** What a request says of itself: the browser as a digest, and its origin. */
type Where = { browser: Buffer | undefined; origin: RequestOrigin }
type Begun = { name: string; password: string }
type Chosen = { name: string; passwordHash: string; origin: RequestOrigin; action: OwnEvent['action'] }
/** The interaction to return to, and the request. */
type Back = { go: string | undefined; origin: RequestOrigin }
/** A sign-in with the right password or passkey. */
type ProvenSignIn = Back & { clientId: string }
type Applicant = { email: string; name: string; password: string; go: string | undefined }

/** What the page of a link asks for. `confirm`: a button. `prove`: the password of the registration, or a new beginning. */
export type Proof = { kind: 'confirm' | 'prove' | 'invited'; email: string; name: string | undefined }

export function createRegistration(deps: Deps) {
  const prepareInvited = createPrepareInvited(deps)
  const { accounts, records, links, passwords, settings, transaction, audit, clock, random } = deps

  const isOpen = () => deps.canSendMail && settings.get().registration === 'open'

  async function refuseUnfit({ name, password, email }: Omit<Applicant, 'go'>): Promise<void> {
    const problems: Problem[] = [
      ...(name.trim() === '' ? [{ path: 'name', code: 'required' }] : accounts.checkProfile({ email, name })),
      ...(await deps.checkPassword(password, { email, name })),
    ]
    if (name.trim() === '') problems.push(...accounts.checkProfile({ email }))
    if (problems.length > 0) throw registrationInvalid(problems)
  }

  /** The account that a link still proves: unproven so far, and with the address that the link went to. */
  const isProvable = ({ isEmailVerified, isDisabled, email, emailProblem }: Account, link: Link): boolean =>
    !isEmailVerified &&
    !isDisabled &&
    emailProblem === undefined &&
    records.normaliseEmail(email) === records.normaliseEmail(link.email)

  async function find(purpose: LinkPurpose, token: string): Promise<Account> {
    const link = await links.get(purpose, token)
    const account = await accounts.readById(link.accountId)
    if (!account || !isProvable(account, link)) return links.refuse()
    return account
  }

  /** Uses the link up and does `work` on the locked account: one transaction, and of any number at once only the first. */
  const prove = (
    purpose: LinkPurpose,
    token: string,
    work: (tx: Tx, locked: LockedAccount) => Promise<void>,
  ): Promise<void> =>
    transaction(async (tx) => {
      const link = await links.spend(tx, purpose, token)
      const locked = await records.lock(tx, link.accountId, link.generation)
      if (!isProvable(locked.account, link)) links.refuse()
      await work(tx, locked)
      await links.end(tx, link.accountId, ['verify', 'invite'])
    })

  const isSame = (left: Buffer | undefined, right: Buffer | undefined): boolean =>
    left !== undefined && right !== undefined && left.equals(right)

  /**
   * The owner of a mailbox arrives at an account that somebody else has made: it goes, with all that hangs from it, and a new one takes its
   * place. A new id, because applications may have given the old one things that another person put there. One that an operator made keeps
   * its id.
   */
  async function reclaim(tx: Tx, { account, registeredBrowser }: LockedAccount, chosen: Chosen) {
    const { name, passwordHash, origin, action } = chosen
    await deps.voidAll(tx, account.id)
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

  const sendRegistrationMail = (tx: Tx, email: string, { go, origin }: Back): Promise<void> => {
    const back = { ...(go !== undefined && { go }), address: origin.ip, requestId: origin.requestId }
    return deps.sendMail(tx, { mail: 'registration', email, askedAtMs: clock.now(), ...back })
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
     * Takes somebody's word for who they are. The answer, and the time it takes, are the same whether or not the address has an account: the
     * mail says which. `admit` is asked once everything is in order. Throws `registration_closed`, `registration_invalid` with every problem, and `hashing_busy`.
     */
    register: async (
      { email, name, password, go }: Applicant,
      { browser, origin }: Where & { browser: Buffer },
      admit: () => Promise<void>,
    ): Promise<void> => {
      if (!isOpen()) throw registrationClosed()
      await refuseUnfit({ email, name, password })
      // Not before: a form that comes back to be corrected is no registration.
      await admit()
      // Whoever has the address already, this hash is spent too.
      const passwordHash = await passwords.hash(password, {
        address: origin.ip,
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
        await sendRegistrationMail(tx, email, { go, origin })
      })
    },

    /**
     * Where people must prove their address first: mails the link again and throws `email_unverified`. For callers that have checked the
     * password, because nobody else is told.
     */
    refuseUnproven: async (account: Account, { go, origin, clientId }: ProvenSignIn): Promise<void> => {
      if (account.isEmailVerified || settings.get().emailVerification !== 'required') return
      await transaction(async (tx) => {
        await audit.recordRefusedSignIn(tx, { reason: 'unverified', accountId: account.id, clientId, origin })
        await sendRegistrationMail(tx, account.email, { go, origin })
      })
      throw emailUnverified()
    },

    /** What the page of a verification link shows; nothing changes. Throws `link_expired`. */
    showVerification: async (token: string, browser: Buffer | undefined): Promise<Proof> => {
      const account = await find('verify', token)
      const isHere = isSame(browser, await accounts.readRegisteredBrowser(account.id))
      return { kind: isHere ? 'confirm' : 'prove', email: account.email, name: account.name }
    },

    /** The browser that registered the account proves its address. Throws `link_expired`; another browser's link stays good. */
    confirm: (token: string, { browser, origin }: Where): Promise<void> =>
      prove('verify', token, async (tx, { account, registeredBrowser }) => {
        if (!isSame(browser, registeredBrowser)) links.refuse()
        await records.markVerified(tx, account.id)
        await audit.recordOwn(tx, { action: 'account.email_verified', accountId: account.id, origin })
      }),

    /** Another browser proves it, and knows the password of the registration: the same person. Throws `link_expired`, `registration_invalid`. */
    confirmWithPassword: async (token: string, password: string, { origin }: Where): Promise<void> => {
      const before = await find('verify', token)
      const requester = { address: origin.ip, account: before.id }
      // Counted before it is compared: tries at once are as many as they are.
      const tried = await links.tryPassword('verify', token, () =>
        passwords.verify(password, before.passwordHash, requester),
      )
      if (!tried) throw registrationInvalid([{ path: 'password', code: 'password_tries_used' }])
      if (!tried.matches) throw registrationInvalid([{ path: 'password', code: 'password_not_chosen' }])
      await prove('verify', token, async (tx, { account }) => {
        if (account.passwordHash !== before.passwordHash) links.refuse()
        await records.markVerified(tx, account.id)
        await audit.recordOwn(tx, { action: 'account.email_verified', accountId: account.id, origin })
      })
    },

    /** Another browser proves it, and begins anew. Throws `link_expired`, `registration_invalid`, `hashing_busy`. */
    beginAnew: async (token: string, { name, password }: Begun, { origin }: Where): Promise<void> => {
      const { id, email } = await find('verify', token)
      await refuseUnfit({ email, name, password })
      const passwordHash = await passwords.hash(password, { address: origin.ip, account: id })
      const chosen = { name: name.trim(), passwordHash, origin, action: 'account.email_verified' } as const
      await prove('verify', token, (tx, locked) => reclaim(tx, locked, chosen))
    },

    /**
     * Mails an invitation to an account without a password; gives its id. A second one ends the first.
     * Throws `account_invalid`, `email_taken`, `mail_not_configured`.
     */
    invite: (input: Invited, by: Initiator): Promise<string> => {
      if (!deps.canSendMail) throw mailNotConfigured()
      return transaction(async (tx) => {
        const accountId = await prepareInvited(tx, input, by)
        const subject = { type: 'account', id: accountId }
        await audit.record(tx, { action: 'account.invited', by, subject, outcome: 'success' })
        const { account } = await records.lock(tx, accountId)
        const { generation } = account
        await deps.sendMail(tx, { mail: 'invitation', accountId, generation, askedAtMs: clock.now() })
        return accountId
      })
    },

    /** What the page of an invitation shows; nothing changes. Throws `link_expired`. */
    showInvitation: async (token: string): Promise<Proof> => {
      const { id, email, name, passwordHash } = await find('invite', token)
      // No browser registered it and no password opened it: only an administrator wrote the name.
      const isTheirs = passwordHash === undefined && (await accounts.readRegisteredBrowser(id)) === undefined
      return { kind: 'invited', email, name: isTheirs ? name : undefined }
    },

    /** The invited person chooses a name and a password. Throws `link_expired`, `registration_invalid`, `hashing_busy`. */
    acceptInvitation: async (token: string, { name, password }: Begun, { origin }: Where): Promise<void> => {
      const { id, email } = await find('invite', token)
      await refuseUnfit({ email, name, password })
      const passwordHash = await passwords.hash(password, { address: origin.ip, account: id })
      const chosen = { name: name.trim(), passwordHash, origin, action: 'account.invitation_accepted' } as const
      await prove('invite', token, (tx, locked) => reclaim(tx, locked, chosen))
    },
  }
}
