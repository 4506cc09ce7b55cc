/** Security notifications. They go to the account's email at the time of the request. */
import type { Tx } from '../database/database.ts'
import type { EmailIntent } from './intent.ts'

const notifications: readonly EmailIntent['mail'][] = [
  'password_changed',
  'account_leaving',
  'new_browser',
  'factor_added',
  'factor_removed',
  'factor_reset_requested',
  'factor_guessed',
]

type Deps = {
  send: (tx: Tx, intent: EmailIntent) => Promise<void>
  /** The account's email address, if it is proven. */
  findProvenEmail: (tx: Tx, accountId: string) => Promise<string | undefined>
}

/**
 * Queues an email within the transaction of the change. An attacker who then changes the email
 * address does not get the notification.
 */
export const createSendEmail =
  ({ send, findProvenEmail }: Deps) =>
  async (tx: Tx, intent: EmailIntent): Promise<void> => {
    if (!notifications.includes(intent.mail) || !('accountId' in intent)) return send(tx, intent)
    const to = await findProvenEmail(tx, intent.accountId)
    // No listed intent has a `to` of its own, but the compiler checks all intents.
    await send(tx, { ...intent, to: to ?? null } as EmailIntent)
  }
