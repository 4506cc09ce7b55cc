/** Refuses a right password that is known from a breach, and emails a link to set a new one. */
import type { Account } from '../accounts/account.ts'
import type { Audit } from '../audit/service.ts'
import type { Clock } from '../clock.ts'
import type { Transaction, Tx } from '../database/database.ts'
import type { EmailIntent } from '../email/intent.ts'
import type { RequestOrigin } from '../origin.ts'
import type { Breaches } from '../passwords/breaches.ts'
import { breachCheckUnavailable, passwordBreached } from './errors.ts'

type Deps = {
  /** Undefined when no service is configured. */
  breaches: Breaches | undefined
  /** Whether emails are delivered. Without email the user could not set a new password. */
  canSendEmail: boolean
  sendEmail: (tx: Tx, intent: EmailIntent) => Promise<void>
  transaction: Transaction
  audit: Audit
  clock: Clock
}

type Attempt = { password: string; clientId: string; origin: RequestOrigin; interactionUid?: string }

/** A short delay is enough: after a failure the service is paused for five seconds. */
const retryAfterSeconds = 10

/**
 * For callers that verified the password. Throws `password_breached`, `breach_check_unavailable`.
 */
export function createRefuseBreached({ breaches, canSendEmail, sendEmail, transaction, audit, clock }: Deps) {
  return async (account: Account, { password, clientId, origin, interactionUid }: Attempt): Promise<void> => {
    const verdict = await breaches?.find(password)
    const accountId = account.id
    if (verdict === 'unavailable') {
      const refused = { reason: 'breach_unchecked', accountId, clientId, origin } as const
      await transaction((tx) => audit.recordRefusedSignIn(tx, refused))
      throw breachCheckUnavailable({ retryAfterSeconds })
    }
    if (verdict !== 'breached') return
    // An unproven email cannot recover the account, so the link confirms it first.
    const kind = account.isEmailVerified ? 'recovery' : 'registration'
    await transaction(async (tx) => {
      const outcome = canSendEmail ? 'failure' : 'success'
      await audit.recordOwn(tx, { action: 'account.password_breached', accountId, clientId, origin, outcome })
      if (!canSendEmail) return
      await audit.recordRefusedSignIn(tx, { reason: 'breached', accountId, clientId, origin })
      const returnTo = {
        ...(interactionUid !== undefined && { go: interactionUid }),
        address: origin.ip,
        requestId: origin.requestId,
      }
      await sendEmail(tx, { mail: kind, email: account.email, askedAtMs: clock.now(), ...returnTo })
    })
    if (canSendEmail) throw passwordBreached()
  }
}
