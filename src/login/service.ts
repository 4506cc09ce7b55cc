/** Signing in with e-mail address and password: one hash, one answer and one time, whoever asks for whom. */
import type { Account } from '../accounts/account.ts'
import type { Accounts } from '../accounts/service.ts'
import type { Audit } from '../audit/service.ts'
import type { Transaction } from '../database/database.ts'
import { AppError } from '../errors.ts'
import type { Guesses } from '../limits/guesses.ts'
import type { Proofs } from '../limits/proofs.ts'
import type { PasswordHasher } from '../passwords/hasher.ts'
import { passkeyNeedsPassword, wrongCredentials } from './errors.ts'
import type { LoginNotices } from './notices.ts'

type Deps = {
  accounts: Accounts
  passwords: PasswordHasher
  transaction: Transaction
  audit: Audit
  /** Refuses who has not proven the e-mail address, where that is required. Asked after the right password only. */
  refuseUnproven: (account: Account, back: { go: string | undefined; address: string | undefined }) => Promise<void>
  /** Counts the tries, and lets no guess be verified that is one too many. */
  guesses: Pick<Guesses, 'attempt'>
  /** Counts right passwords, which cost a hash as well. */
  proofs: Proofs
  notices: Pick<LoginNotices, 'locked'>
  /**
   * Whose passkey an answer proves, with the account's generation as it was read together with the credential. `needsPassword`: it proves
   * nothing without the password. Throws `passkey_refused`.
   */
  provePasskey: (
    response: string,
    interaction: string,
  ) => Promise<Readonly<{ accountId: string; generation: number; needsPassword: boolean }>>
  refusePasskey: () => never
  /** Refuses the right password when it is known from a breach. */
  refuseBreached: (account: Account, attempt: Attempt) => Promise<void>
}

export type Login = ReturnType<typeof createLogin>

type PasskeyAttempt = { response: string; clientId: string; address: string | undefined; go: string }

type Attempt = {
  email: string
  password: string
  clientId: string
  address: string | undefined
  /** The interaction. */
  go: string
  /** Of the browser's cookie. */
  browserToken?: string | undefined
  /** The solution that came with the form. */
  captcha?: string | undefined
}

export function createLogin(deps: Deps) {
  const { accounts, passwords, transaction, audit, refuseUnproven, refuseBreached, guesses, proofs, notices } = deps
  const record = (
    attempt: Pick<Attempt, 'clientId' | 'address'>,
    account: Account | undefined,
    outcome: 'success' | 'failure',
  ) =>
    transaction((tx) =>
      audit.record(tx, {
        action: outcome === 'success' ? 'account.signed_in' : 'account.sign_in_failed',
        actor: account ? { type: 'account', id: account.id } : { type: 'account' },
        ...(account && { subject: { type: 'account', id: account.id } }),
        clientId: attempt.clientId,
        address: attempt.address,
        outcome,
      }),
    )

  async function verify(attempt: Attempt): Promise<Account> {
    const account = await accounts.findByEmail(attempt.email)
    // Without an account, or without a password, the hasher does the same work against a decoy.
    const { email, password, address } = attempt
    const requester = { address, account: account?.id ?? email }
    const { matches, needsRehash } = await passwords.verify(password, account?.passwordHash, requester)
    if (account && matches) await proofs.count({ email: account.email, address })
    if (!account?.passwordHash || account.isDisabled || !matches) {
      await record(attempt, account, 'failure')
      throw wrongCredentials()
    }
    await refuseUnproven(account, { go: attempt.go, address: attempt.address })
    await refuseBreached(account, attempt)
    if (needsRehash) {
      const renewed = await passwords.hash(password, requester)
      await accounts.replacePasswordHash(account.id, account.passwordHash, renewed)
    }
    await record(attempt, account, 'success')
    return account
  }

  return {
    /**
     * Gives the account whose passkey it is. No guess locks this way in, for nobody guesses a signature. Throws `passkey_refused`, also for
     * a disabled account and one that has been reset meanwhile, `passkey_needs_password`, and `email_unverified`.
     */
    signInWithPasskey: async (attempt: PasskeyAttempt): Promise<Account> => {
      const { accountId, generation, needsPassword } = await deps.provePasskey(attempt.response, attempt.go)
      const account = await accounts.readById(accountId)
      if (!account || account.isDisabled || account.generation !== generation) {
        if (account) await record(attempt, account, 'failure')
        return deps.refusePasskey()
      }
      // A passkey that was added before the reset may be another person's.
      if (needsPassword) {
        await record(attempt, account, 'failure')
        throw passkeyNeedsPassword()
      }
      await refuseUnproven(account, { go: attempt.go, address: attempt.address })
      await record(attempt, account, 'success')
      return account
    },

    /**
     * Gives the account that the attempt proves. Throws `wrong_credentials`, `email_unverified`, `password_breached`,
     * `breach_check_unavailable`, `hashing_busy`, and what `proofs.refuseKnown` and `guesses.attempt` throw.
     */
    signIn: async (attempt: Attempt): Promise<Account> => {
      const { email, address, browserToken, captcha, go, clientId } = attempt
      proofs.refuseKnown(email)
      return guesses.attempt(
        { identifier: email, address, browserToken, captcha, interaction: go },
        () => verify(attempt),
        (error) => error instanceof AppError && error.code === 'wrong_credentials',
        () => notices.locked(email, { clientId, address }),
      )
    },
  }
}
