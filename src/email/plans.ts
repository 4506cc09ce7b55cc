/** Chooses recipient, template and link of an email when it is sent, from the current account. */
import type { Account, Accounts } from '../accounts/service.ts'
import type { AuditEvent } from '../audit/service.ts'
import type { EmailLink, EmailLinkPurpose, EmailLinkTarget } from '../email-links/service.ts'
import type { EmailIntent, EmailName, FactorMethod, IntentOf, ListedFactor } from './intent.ts'
import type { EmailTemplateName } from './templates.ts'

export type Plan = Readonly<{
  template: EmailTemplateName
  to: string
  /** The email address in the text. */
  about: string
  /** A page of this server, or a link that is created for this email. */
  link?:
    | Readonly<{ path: string }>
    | Readonly<{ purpose: EmailLinkPurpose; page: string; to: EmailLink; interactionUid?: string }>
  /** The account whose limit counts this email. A created link is counted by its purpose. */
  counted?: EmailLinkTarget & Readonly<{ as?: 'new_browser' }>
  /** The second factor in the text. */
  method?: FactorMethod
  /** The time in the text. */
  untilMs?: number
  /** The factors in the text. */
  factors?: readonly ListedFactor[]
  /** Audited together with the link. */
  event?: AuditEvent
}>

type Deps = { accounts: Pick<Accounts, 'findByEmail' | 'findById' | 'readById'> }
type Plans = { [Name in EmailName]: (intent: IntentOf<Name>) => Promise<Plan | undefined> }

/**
 * The pages of emailed links. Each has a button and changes nothing when opened, because email
 * scanners open links.
 */
const pages = {
  verify: '/verify',
  recover: '/recover/password',
  invite: '/invitation',
  change_email: '/email-change',
  reset_factors: '/factor-reset',
} as const

export function createPlans({ accounts }: Deps) {
  /** Sent to the stored email, not as typed: two spellings can be two mailboxes. */
  const withLink = (
    template: EmailTemplateName,
    purpose: keyof typeof pages,
    { id, email, generation }: Account,
    interactionUid: string | undefined,
    event?: AuditEvent,
  ): Plan => ({
    template,
    to: email,
    about: email,
    link: {
      purpose,
      page: pages[purpose],
      to: { accountId: id, email, generation },
      ...(interactionUid !== undefined && { interactionUid }),
    },
    ...(event && { event }),
  })

  /** Sent only to proven emails, so that a registration cannot send emails to strangers. */
  const notification = async (
    template: EmailTemplateName,
    { accountId, to }: { accountId: string; to?: string | null },
    method?: FactorMethod,
  ): Promise<Plan | undefined> => {
    const email = to === undefined ? await findProvenEmail(accountId) : to
    if (email === undefined || email === null) return undefined
    return { template, to: email, about: email, link: { path: '/recover' }, ...(method !== undefined && { method }) }
  }

  /** Some intents have no `to`: those of the previous version, and those with a typed email. */
  async function findProvenEmail(accountId: string): Promise<string | undefined> {
    const account = await accounts.findById(accountId)
    return account?.isEmailVerified ? account.email : undefined
  }

  const plans: Plans = {
    registration: async ({ email, go: interactionUid }) => {
      const account = await accounts.findByEmail(email)
      if (!account) return undefined
      if (!account.isEmailVerified && !account.isDisabled) return withLink('verify', 'verify', account, interactionUid)
      return {
        template: 'already_registered',
        to: account.email,
        about: account.email,
        link: { path: '/recover' },
        counted: { accountId: account.id, email: account.email },
      }
    },

    recovery: async ({ email, go: interactionUid, address: ip, requestId }) => {
      const account = await accounts.findByEmail(email)
      // An unproven email cannot recover an account. Its user can register instead.
      if (!account?.isEmailVerified || account.isDisabled) return undefined
      return withLink('recovery', 'recover', account, interactionUid, {
        action: 'account.recovery_requested',
        by: {
          actor: { type: 'system' },
          // Emails queued by the previous version do not have the request's data.
          origin: ip !== undefined && requestId !== undefined ? { requestId, ip } : { job: 'mail' },
        },
        subject: { type: 'account', id: account.id },
        outcome: 'success',
      })
    },

    // Emails queued before generations existed belong to generation 0, like the rows.
    invitation: async ({ accountId, generation = 0 }) => {
      const account = await accounts.readById(accountId)
      if (!account || account.isEmailVerified || account.isDisabled || account.generation !== generation)
        return undefined
      return withLink('invitation', 'invite', account, undefined)
    },

    email_change: async ({ accountId, email, generation = 0 }) => {
      const account = await accounts.readById(accountId)
      if (!account || account.isDisabled || account.generation !== generation) return undefined
      const owner = await accounts.findByEmail(email)
      if (owner?.isEmailVerified && owner.id !== accountId) {
        const counted = { accountId: owner.id, email: owner.email }
        return { template: 'address_in_use', to: owner.email, about: owner.email, counted }
      }
      return {
        template: 'email_change',
        to: email,
        about: email,
        link: { purpose: 'change_email', page: pages.change_email, to: { accountId, email, generation } },
      }
    },

    email_changed: async ({ to }) => ({ template: 'email_changed', to, about: to }),

    password_changed: (intent) => notification('password_changed', intent),
    account_leaving: async (intent) => {
      const plan = await notification('account_leaving', intent)
      return plan && { ...plan, link: { path: '/account' }, untilMs: intent.untilMs }
    },
    account_deleted: async ({ to }) => ({ template: 'account_deleted', to, about: to }),
    sign_in_locked: async ({ email }) => {
      const account = await accounts.findByEmail(email)
      if (!account || account.isDisabled) return undefined
      const plan = await notification('sign_in_locked', { accountId: account.id })
      // Limited, because any visitor can cause it.
      return plan && { ...plan, counted: { accountId: account.id, email: account.email } }
    },
    new_browser: async (intent) => {
      const plan = await notification('new_browser', intent)
      // A separate count, so that emails caused by strangers do not use it up.
      return plan && { ...plan, counted: { accountId: intent.accountId, email: plan.to, as: 'new_browser' } }
    },
    factor_added: (intent) => notification('factor_added', intent, intent.method),
    factor_removed: (intent) => notification('factor_removed', intent, intent.method),
    factor_reset_requested: async (intent) => {
      const plan = await notification('factor_reset_requested', intent)
      const { factors, untilMs } = intent
      return plan && { ...plan, link: { path: '/account' }, factors, untilMs }
    },
    factor_reset_due: async ({ accountId, generation, factors }) => {
      const account = await accounts.readById(accountId)
      if (!account?.isEmailVerified || account.isDisabled || account.generation !== generation) return undefined
      return { ...withLink('factor_reset_due', 'reset_factors', account, undefined), factors }
    },
    factor_guessed: (intent) => notification('factor_guessed', intent, intent.method),
  }

  return (intent: EmailIntent): Promise<Plan | undefined> =>
    (plans[intent.mail] as (intent: EmailIntent) => Promise<Plan | undefined>)(intent)
}
