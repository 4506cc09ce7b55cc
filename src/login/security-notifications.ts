/** Notifies users of password guessing and of a new browser. Records each successful sign-in. */
import type { Account } from '../accounts/account.ts'
import type { Accounts } from '../accounts/service.ts'
import type { Audit } from '../audit/service.ts'
import type { Clock } from '../clock.ts'
import type { Transaction, Tx } from '../database/database.ts'
import type { EmailIntent } from '../email/intent.ts'
import type { LoginThrottle } from '../limits/login-throttle.ts'
import type { RequestOrigin } from '../origin.ts'

type Deps = {
  accounts: Pick<Accounts, 'findByEmail'>
  loginThrottle: Pick<LoginThrottle, 'rememberBrowser'>
  sendEmail: (tx: Tx, intent: EmailIntent) => Promise<void>
  transaction: Transaction
  audit: Audit
  clock: Clock
}

export type SecurityNotifications = ReturnType<typeof createSecurityNotifications>

type Requested = { clientId?: string; origin: RequestOrigin }

/**
 * The account was read with the last proof, so it has the generation of this sign-in.
 * `browserToken` is from the cookie.
 */
type SignIn = Readonly<{
  account: Account
  level: string
  amr: readonly string[]
  clientId: string
  origin: RequestOrigin
  browserToken: string
}>

type Outcome = {
  /** Decides the interaction at the commit. Returns whether this is the first time, or throws. */
  decide: (tx: Tx) => Promise<boolean>
}

export function createSecurityNotifications({ accounts, loginThrottle, sendEmail, transaction, audit, clock }: Deps) {
  return {
    /** Notifies the owner of an email after too many attempts. An unknown email has no owner. */
    locked: async (email: string, { clientId, origin }: Requested): Promise<void> => {
      const account = await accounts.findByEmail(email)
      await transaction(async (tx) => {
        await audit.record(tx, {
          action: 'account.sign_in_locked',
          by: { actor: { type: 'system' }, origin },
          subject: account && { type: 'account', id: account.id },
          clientId,
          outcome: 'failure',
        })
        await sendEmail(tx, { mail: 'sign_in_locked', email, askedAtMs: clock.now() })
      })
    },

    /**
     * Decides the interaction and records a completed login in one transaction. The browser is then
     * known. Writes nothing if the account was reset meanwhile, or for a repeated answer.
     */
    signedIn: async (
      { account, level, amr, clientId, origin, browserToken }: SignIn,
      { decide }: Outcome,
    ): Promise<void> => {
      const own = { accountId: account.id, clientId, origin }
      const work = async (tx: Tx): Promise<void> => {
        await audit.recordOwn(tx, { ...own, action: 'account.signed_in', details: { level, amr } })
        // After the audit row, so that the account and the outcome are locked only briefly.
        const browser = await loginThrottle.rememberBrowser(tx, browserToken, account)
        if (browser === 'reset') throw notWritten
        if (browser === 'new') {
          await audit.recordOwn(tx, { ...own, action: 'account.new_browser' })
          await sendEmail(tx, { mail: 'new_browser', accountId: account.id, askedAtMs: clock.now() })
        }
        if (!(await decide(tx))) throw notWritten
      }
      await transaction(work).catch((error: unknown) => {
        if (error !== notWritten) throw error
      })
    },
  }
}

/** Rolls the transaction back. */
const notWritten = new Error('this sign-in is not recorded')
