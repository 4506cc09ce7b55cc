/** What a person is told of their sign-ins: that somebody is guessing, and that a browser is new. */
import type { Accounts } from '../accounts/service.ts'
import type { Audit } from '../audit/service.ts'
import type { Clock } from '../clock.ts'
import type { Transaction, Tx } from '../database/database.ts'
import type { Guesses } from '../limits/guesses.ts'
import type { MailIntent } from '../mail/intent.ts'

type Deps = {
  accounts: Pick<Accounts, 'findByEmail' | 'readById'>
  guesses: Pick<Guesses, 'rememberBrowser'>
  sendMail: (tx: Tx, intent: MailIntent) => Promise<void>
  transaction: Transaction
  audit: Audit
  clock: Clock
}

export type LoginNotices = ReturnType<typeof createLoginNotices>

/** The account, and its generation as the sign-in carries it. */
type SignedIn = Readonly<{ accountId: string; generation: number }>
type Where = { clientId?: string; address: string | undefined }

export function createLoginNotices({ accounts, guesses, sendMail, transaction, audit, clock }: Deps) {
  return {
    /** Too many tries at an identifier. The same is done for one that does not exist: its mail has nobody to go to. */
    locked: async (email: string, { clientId, address }: Where): Promise<void> => {
      const account = await accounts.findByEmail(email)
      await transaction(async (tx) => {
        await audit.record(tx, {
          action: 'account.sign_in_locked',
          actor: { type: 'system' },
          address,
          outcome: 'failure',
          ...(account && { subject: { type: 'account', id: account.id } }),
          ...(clientId !== undefined && { clientId }),
        })
        await sendMail(tx, { mail: 'sign_in_locked', email, askedAtMs: clock.now() })
      })
    },

    /** A login is complete in the browser with this token: it is known from now on. */
    signedIn: async (
      { accountId, generation }: SignedIn,
      token: string,
      address: string | undefined,
    ): Promise<void> => {
      const account = await accounts.readById(accountId)
      if (account?.generation !== generation) return
      await transaction(async (tx) => {
        if (!(await guesses.rememberBrowser(tx, token, account))) return
        const person = { type: 'account', id: accountId } as const
        const event = { action: 'account.new_browser', actor: person, subject: person, address } as const
        await audit.record(tx, { ...event, outcome: 'success' })
        await sendMail(tx, { mail: 'new_browser', accountId, askedAtMs: clock.now() })
      })
    },
  }
}
