/** What people change about their own account: password and e-mail address. Each wants a proof, tells the address, and ends what is open elsewhere. */
import type { AccountRecords } from '../accounts/records.ts'
import type { Account, Accounts } from '../accounts/service.ts'
import type { Audit, AuditEvent } from '../audit/service.ts'
import type { Clock } from '../clock.ts'
import type { Transaction, Tx } from '../database/database.ts'
import type { Guesses } from '../limits/guesses.ts'
import type { Links } from '../links/service.ts'
import type { MailIntent } from '../mail/intent.ts'
import type { PasswordHasher } from '../passwords/hasher.ts'
import type { CheckPassword } from '../passwords/service.ts'
import { changeInvalid, proofRefused } from './errors.ts'

type Deps = {
  accounts: Pick<Accounts, 'readById' | 'checkProfile'>
  records: AccountRecords
  links: Links
  passwords: PasswordHasher
  /** What is wrong with a password that is being chosen for this person. */
  checkPassword: CheckPassword
  sendMail: (tx: Tx, intent: MailIntent) => Promise<void>
  /** Ends every session but the one that is kept, and every token, within the transaction. */
  endAccount: (tx: Tx, accountId: string, kept: { sessionUid?: string }) => Promise<unknown>
  /** Counts tries at the password of somebody who is signed in. */
  attemptProof: Guesses['attemptProof']
  /** Lifts the lock that guesses have put on an address. */
  forgetGuesses: (tx: Tx, email: string) => Promise<void>
  transaction: Transaction
  audit: Audit
  clock: Clock
}

export type AccountChanges = ReturnType<typeof createAccountChanges>

/** The password, or a second factor or passkey that was checked at this moment (milliseconds since the epoch) in this session. */
export type FreshProof = { password: string } | { factorProvenAtMs: number }

/** Who changes, in which session (it lives on), from which address. */
export type Caller = { accountId: string; proof: FreshProof; sessionUid?: string; address?: string }

/** OWASP ASVS 7.5.1: a sensitive change wants a proof not older than that. */
const freshForMs = 5 * 60 * 1000

export function createAccountChanges(deps: Deps) {
  const { accounts, records, links, passwords, transaction, audit, clock } = deps

  /** Gives the account as it was when the proof was checked. Throws `proof_refused`, and records the failure. */
  async function prove({ accountId, proof, address }: Caller): Promise<Account> {
    const account = await accounts.readById(accountId)
    const isProven =
      'password' in proof
        ? await deps.attemptProof(
            { accountId },
            async () => (await passwords.verify(proof.password, account?.passwordHash)).matches,
            (matches) => matches,
          )
        : isFresh(proof.factorProvenAtMs)
    if (account && isProven && !account.isDisabled) return account
    if (account) {
      const refused = { ...event('account.change_refused', account.id, address), outcome: 'failure' } as const
      await transaction((tx) => audit.record(tx, refused))
    }
    throw proofRefused()
  }

  const isFresh = (atMs: number) => atMs <= clock.now() && clock.now() - atMs <= freshForMs

  const event = (action: AuditEvent['action'], id: string, address: string | undefined): AuditEvent => ({
    ...{ action, actor: { type: 'account', id }, subject: { type: 'account', id }, address, outcome: 'success' },
  })

  const kept = (sessionUid: string | undefined) => (sessionUid === undefined ? {} : { sessionUid })

  return {
    prove,

    /** Throws `proof_refused`, `change_invalid` with what is wrong with the new one, `hashing_busy`. */
    changePassword: async (caller: Caller & { newPassword: string }): Promise<void> => {
      const before = await prove(caller)
      const problems = await deps.checkPassword(caller.newPassword, before)
      if (problems.length > 0) throw changeInvalid(problems.map((problem) => ({ ...problem, path: 'newPassword' })))
      const passwordHash = await passwords.hash(caller.newPassword)
      await transaction(async (tx) => {
        const { account } = await records.lock(tx, before.id)
        // What was proven is no longer the password: somebody else was faster.
        if (account.passwordHash !== before.passwordHash || account.isDisabled) throw proofRefused()
        await records.setPasswordHash(tx, account.id, passwordHash)
        await deps.endAccount(tx, account.id, kept(caller.sessionUid))
        await deps.forgetGuesses(tx, account.email)
        await links.end(tx, account.id, ['recover', 'change_email'])
        await audit.record(tx, event('account.password_changed', account.id, caller.address))
        await deps.sendMail(tx, { mail: 'password_changed', accountId: account.id, askedAtMs: clock.now() })
      })
    },

    /**
     * Mails a link to the new address; nothing changes until it is opened there. The answer is the same when that address is another
     * account's: the mail says so, to its owner. Throws `proof_refused`, `change_invalid`.
     */
    requestEmailChange: async (caller: Caller & { newEmail: string }): Promise<void> => {
      const problems = accounts.checkProfile({ email: caller.newEmail })
      if (problems.length > 0) throw changeInvalid(problems.map((problem) => ({ ...problem, path: 'newEmail' })))
      const { id } = await prove(caller)
      await transaction(async (tx) => {
        await audit.record(tx, event('account.email_change_requested', id, caller.address))
        const email = caller.newEmail.trim()
        await deps.sendMail(tx, { mail: 'email_change', accountId: id, email, askedAtMs: clock.now() })
      })
    },

    /** The address that a link would make the account's; nothing changes. Throws `link_expired`. */
    showEmailChange: async (token: string): Promise<{ email: string }> => {
      const { email } = await links.get('change_email', token)
      return { email }
    },

    /**
     * The new address is proven and takes the old one's place; the old one is told. An account that somebody registered under the new
     * address without proving it gives way to its owner. Throws `link_expired`, `email_taken`.
     */
    confirmEmailChange: (token: string, { sessionUid, address }: { sessionUid?: string; address?: string }) =>
      transaction(async (tx) => {
        const { accountId, email } = await links.spend(tx, 'change_email', token)
        const { account } = await records.lock(tx, accountId)
        if (account.isDisabled) links.refuse()
        const squatterId = await records.findIdByEmail(tx, email)
        if (squatterId !== undefined && squatterId !== accountId) {
          const squatter = await records.lock(tx, squatterId)
          if (squatter.registeredBrowser !== undefined) {
            await deps.endAccount(tx, squatterId, {})
            await records.remove(tx, squatterId)
          }
        }
        await records.changeEmail(tx, accountId, email)
        await deps.endAccount(tx, accountId, kept(sessionUid))
        await links.end(tx, accountId, ['verify', 'recover', 'change_email', 'invite'])
        await audit.record(tx, event('account.email_changed', accountId, address))
        // An address that nobody had proven may be a stranger's: he is not written to.
        if (account.isEmailVerified) {
          await deps.sendMail(tx, { mail: 'email_changed', accountId, to: account.email, askedAtMs: clock.now() })
        }
      }),
  }
}
