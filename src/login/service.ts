/**
 * Signs in with a passkey, or with email and password. For a password, the work, answer and timing
 * are the same for every account.
 */
import type { Account } from '../accounts/account.ts'
import type { Accounts } from '../accounts/service.ts'
import type { Audit } from '../audit/service.ts'
import type { SignInRefusal } from '../audit/sign-in-refusals.ts'
import type { Transaction } from '../database/database.ts'
import { AppError } from '../errors.ts'
import type { LoginThrottle } from '../limits/login-throttle.ts'
import type { PasswordCheckLimit } from '../limits/password-check-limit.ts'
import type { RequestOrigin } from '../origin.ts'
import type { PasswordHasher } from '../passwords/hasher.ts'
import { passkeyNeedsPassword, wrongCredentials } from './errors.ts'
import type { SecurityNotifications } from './security-notifications.ts'

type Deps = {
  accounts: Accounts
  passwords: PasswordHasher
  transaction: Transaction
  audit: Audit
  /** Throws for an unproven email when it must be proven. Called only after the first proof. */
  refuseUnproven: (
    account: Account,
    signIn: { interactionUid: string | undefined; origin: RequestOrigin; clientId: string },
  ) => Promise<void>
  /** Counts attempts and refuses those over the limit before the password is verified. */
  loginThrottle: Pick<LoginThrottle, 'attempt'>
  /** Counts right passwords, because they cost a hash as well. */
  passwordCheckLimit: PasswordCheckLimit
  securityNotifications: Pick<SecurityNotifications, 'locked'>
  /**
   * The account of a passkey's answer, with the generation read with the credential.
   * `needsPassword`: the passkey alone proves nothing. Throws `passkey_refused`.
   */
  provePasskey: (
    response: string,
    interaction: string,
  ) => Promise<Readonly<{ accountId: string; generation: number; needsPassword: boolean }>>
  refusePasskey: () => never
  /** Throws for a right password that is known from a breach. */
  refuseBreached: (account: Account, attempt: Attempt) => Promise<void>
}

export type Login = ReturnType<typeof createLogin>

type PasskeyAttempt = { response: string; clientId: string; origin: RequestOrigin; interactionUid: string }
type Requested = Pick<PasskeyAttempt, 'clientId' | 'origin'>

type Attempt = {
  email: string
  password: string
  clientId: string
  origin: RequestOrigin
  /** The id of the interaction. */
  interactionUid: string
  /** From the browser's cookie. */
  browserToken?: string | undefined
  /** The solution in the form. */
  captcha?: string | undefined
}

export function createLogin(deps: Deps) {
  const {
    accounts,
    passwords,
    transaction,
    audit,
    refuseUnproven,
    refuseBreached,
    loginThrottle,
    passwordCheckLimit,
    securityNotifications,
  } = deps

  const noteRefused = ({ clientId, origin }: Requested, account: Account | undefined, reason: SignInRefusal) =>
    transaction((tx) => audit.recordRefusedSignIn(tx, { reason, accountId: account?.id, clientId, origin }))

  /** Records an attempt whose password is not checked. The audit trail needs the account. */
  async function noteUntried(attempt: Attempt, error: unknown): Promise<void> {
    const reason = error instanceof AppError ? untriedReasons.get(error.code) : undefined
    if (reason) await noteRefused(attempt, await accounts.findByEmail(attempt.email), reason)
  }

  async function verify(attempt: Attempt): Promise<Account> {
    const account = await accounts.findByEmail(attempt.email)
    // Without an account or a password, the hasher does the same work against a decoy.
    const { email, password, clientId, origin, interactionUid } = attempt
    const ip = origin.ip
    const requester = { ip, account: account?.id ?? email }
    const { matches, needsRehash } = await passwords.verify(password, account?.passwordHash, requester)
    if (account && matches) await passwordCheckLimit.count({ email: account.email, ip })
    const refusal = refusalOf(account, matches)
    if (!account?.passwordHash || refusal) {
      await noteRefused(attempt, account, refusal ?? 'no_password')
      throw wrongCredentials()
    }
    await refuseUnproven(account, { interactionUid, origin, clientId })
    await refuseBreached(account, attempt)
    if (needsRehash) {
      const renewed = await passwords.hash(password, requester)
      await accounts.replacePasswordHash(account.id, account.passwordHash, renewed)
    }
    await transaction((tx) =>
      audit.recordOwn(tx, { action: 'account.password_accepted', accountId: account.id, clientId, origin }),
    )
    return account
  }

  return {
    /**
     * Returns the passkey's account. Attempts are not limited: a signature cannot be guessed.
     * Throws `passkey_refused` (also disabled or reset), `passkey_needs_password`,
     * `email_unverified`.
     */
    signInWithPasskey: async (attempt: PasskeyAttempt): Promise<Account> => {
      const { clientId, origin, interactionUid } = attempt
      const proven = await deps.provePasskey(attempt.response, interactionUid).catch(async (error: unknown) => {
        if (error instanceof AppError && error.code === 'passkey_refused') {
          await noteRefused(attempt, undefined, 'factor')
        }
        throw error
      })
      const { accountId, generation, needsPassword } = proven
      const account = await accounts.readById(accountId)
      if (!account || account.isDisabled || account.generation !== generation) {
        await noteRefused(attempt, account, !account ? 'unknown' : account.isDisabled ? 'disabled' : 'factor')
        return deps.refusePasskey()
      }
      // Another person may have added the passkey before the reset.
      if (needsPassword) {
        await noteRefused(attempt, account, 'factor')
        throw passkeyNeedsPassword()
      }
      await refuseUnproven(account, { interactionUid, origin, clientId })
      const details = { method: 'passkey' }
      await transaction((tx) => audit.recordOwn(tx, { action: 'factor.proven', accountId, clientId, origin, details }))
      return account
    },

    /**
     * Returns the account. Throws `wrong_credentials`, `email_unverified`, `password_breached`,
     * `breach_check_unavailable`, and the errors of the hasher and of the limits.
     */
    signIn: async (attempt: Attempt): Promise<Account> => {
      const { email, origin, browserToken, captcha, interactionUid, clientId } = attempt
      passwordCheckLimit.refuseKnown(email)
      const guess = { identifier: email, ip: origin.ip, browserToken, captcha, interaction: interactionUid }
      const isWrong = (error: unknown) => error instanceof AppError && error.code === 'wrong_credentials'
      const onLock = () => securityNotifications.locked(email, { clientId, origin })
      return loginThrottle
        .attempt(guess, () => verify(attempt), isWrong, onLock)
        .catch(async (error: unknown) => {
          await noteUntried(attempt, error)
          throw error
        })
    },
  }
}

/** Why a verified password does not sign in, or undefined. The page shows one answer for all. */
function refusalOf(account: Account | undefined, matches: boolean): SignInRefusal | undefined {
  if (!account) return 'unknown'
  if (account.passwordHash === undefined) return 'no_password'
  if (account.isDisabled) return 'disabled'
  return matches ? undefined : 'wrong_password'
}

const untriedReasons: ReadonlyMap<string, SignInRefusal> = new Map([
  ['captcha_needed', 'captcha'],
  ['sign_in_locked', 'locked'],
  ['password_off', 'locked'],
  ['too_many_failures', 'locked'],
])
