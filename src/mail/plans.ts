/** Who gets which letter for an intent, with which link: decided when the mail is sent, on the account as it is then. */
import type { Account, Accounts } from '../accounts/service.ts'
import type { AuditEvent } from '../audit/service.ts'
import type { Link, LinkPurpose, LinkTarget } from '../links/service.ts'
import type { FactorMethod, IntentOf, MailedFactor, MailIntent, MailName } from './intent.ts'
import type { LetterName } from './letters.ts'

export type Plan = Readonly<{
  letter: LetterName
  to: string
  /** The address that the letter speaks of. */
  about: string
  /** A page of ours, or a link that is made for this letter. */
  link?: Readonly<{ path: string }> | Readonly<{ purpose: LinkPurpose; page: string; to: Link; go?: string }>
  /** Whose mails of this sort are limited, where there is no link whose making would be. */
  counted?: LinkTarget & Readonly<{ as?: 'new_browser' }>
  /** The second factor that it speaks of. */
  method?: FactorMethod
  /** The moment that it speaks of. */
  untilMs?: number
  /** Factors that it lists. */
  factors?: readonly MailedFactor[]
  /** Recorded with the link. */
  event?: AuditEvent
}>

type Deps = { accounts: Pick<Accounts, 'findByEmail' | 'findById' | 'readById'> }
type Plans = { [Name in MailName]: (intent: IntentOf<Name>) => Promise<Plan | undefined> }

/** Pages that a mailed link opens. Each shows a button: opening one changes nothing, because mail scanners open links. */
const pages = {
  verify: '/verify',
  recover: '/recover/password',
  invite: '/invitation',
  change_email: '/email-change',
  reset_factors: '/factor-reset',
} as const

export function createPlans({ accounts }: Deps) {
  /** To the address as the account has it, never as somebody typed it: two spellings of one address can be two mailboxes. */
  const linked = (
    letter: LetterName,
    purpose: keyof typeof pages,
    { id, email, generation }: Account,
    go: string | undefined,
    event?: AuditEvent,
  ): Plan => ({
    letter,
    to: email,
    about: email,
    link: { purpose, page: pages[purpose], to: { accountId: id, email, generation }, ...(go !== undefined && { go }) },
    ...(event && { event }),
  })

  /** Told to whoever has proven the address: whoever registers a stranger's must not be able to send mails there. */
  const told = async (
    letter: LetterName,
    { accountId, to }: { accountId: string; to?: string | null },
    method?: FactorMethod,
  ): Promise<Plan | undefined> => {
    const email = to === undefined ? await findProvenEmail(accountId) : to
    if (email === undefined || email === null) return undefined
    return { letter, to: email, about: email, link: { path: '/recover' }, ...(method !== undefined && { method }) }
  }

  /** For a notification that does not name its address: one of the program before, and one about an address that was typed. */
  async function findProvenEmail(accountId: string): Promise<string | undefined> {
    const account = await accounts.findById(accountId)
    return account?.isEmailVerified ? account.email : undefined
  }

  const plans: Plans = {
    registration: async ({ email, go }) => {
      const account = await accounts.findByEmail(email)
      if (!account) return undefined
      if (!account.isEmailVerified && !account.isDisabled) return linked('verify', 'verify', account, go)
      return {
        letter: 'already_registered',
        to: account.email,
        about: account.email,
        link: { path: '/recover' },
        counted: { accountId: account.id, email: account.email },
      }
    },

    recovery: async ({ email, go, address, requestId }) => {
      const account = await accounts.findByEmail(email)
      // An address that nobody has proven grants nothing, and so no recovery: who owns it registers.
      if (!account?.isEmailVerified || account.isDisabled) return undefined
      return linked('recovery', 'recover', account, go, {
        action: 'account.recovery_requested',
        by: {
          actor: { type: 'system' },
          // An email that the program before has queued does not name its request.
          origin: address !== undefined && requestId !== undefined ? { requestId, ip: address } : { job: 'mail' },
        },
        subject: { type: 'account', id: account.id },
        outcome: 'success',
      })
    },

    // An email that was queued by the program before generations is of generation 0, as the rows are.
    invitation: async ({ accountId, generation = 0 }) => {
      const account = await accounts.readById(accountId)
      if (!account || account.isEmailVerified || account.isDisabled || account.generation !== generation)
        return undefined
      return linked('invitation', 'invite', account, undefined)
    },

    email_change: async ({ accountId, email, generation = 0 }) => {
      const account = await accounts.readById(accountId)
      if (!account || account.isDisabled || account.generation !== generation) return undefined
      const owner = await accounts.findByEmail(email)
      if (owner?.isEmailVerified && owner.id !== accountId) {
        const counted = { accountId: owner.id, email: owner.email }
        return { letter: 'address_in_use', to: owner.email, about: owner.email, counted }
      }
      return {
        letter: 'email_change',
        to: email,
        about: email,
        link: { purpose: 'change_email', page: pages.change_email, to: { accountId, email, generation } },
      }
    },

    email_changed: async ({ to }) => ({ letter: 'email_changed', to, about: to }),

    password_changed: (intent) => told('password_changed', intent),
    account_leaving: async (intent) => {
      const plan = await told('account_leaving', intent)
      return plan && { ...plan, link: { path: '/account' }, untilMs: intent.untilMs }
    },
    account_deleted: async ({ to }) => ({ letter: 'account_deleted', to, about: to }),
    sign_in_locked: async ({ email }) => {
      const account = await accounts.findByEmail(email)
      if (!account || account.isDisabled) return undefined
      const plan = await told('sign_in_locked', { accountId: account.id })
      // Anybody can cause it.
      return plan && { ...plan, counted: { accountId: account.id, email: account.email } }
    },
    new_browser: async (intent) => {
      const plan = await told('new_browser', intent)
      // Its own count: what strangers cause must not use it up.
      return plan && { ...plan, counted: { accountId: intent.accountId, email: plan.to, as: 'new_browser' } }
    },
    factor_added: (intent) => told('factor_added', intent, intent.method),
    factor_removed: (intent) => told('factor_removed', intent, intent.method),
    factor_reset_requested: async (intent) => {
      const plan = await told('factor_reset_requested', intent)
      const { factors, untilMs } = intent
      return plan && { ...plan, link: { path: '/account' }, factors, untilMs }
    },
    factor_reset_due: async ({ accountId, generation, factors }) => {
      const account = await accounts.readById(accountId)
      if (!account?.isEmailVerified || account.isDisabled || account.generation !== generation) return undefined
      return { ...linked('factor_reset_due', 'reset_factors', account, undefined), factors }
    },
    factor_guessed: (intent) => told('factor_guessed', intent, intent.method),
  }

  return (intent: MailIntent): Promise<Plan | undefined> =>
    (plans[intent.mail] as (intent: MailIntent) => Promise<Plan | undefined>)(intent)
}
