/**
 * Emails: the outbox stores which email to send to which account; its link is created when it is
 * sent.
 */
import type { EmailIntent } from '../../email/intent.ts'
import type { OutboxKind } from '../kind.ts'

export const emailKind: OutboxKind<'mail', EmailIntent> = {
  name: 'mail',
  isOutside: true,
  // About a day, with growing pauses: a later email would confuse the user.
  maxAttempts: 12,
}
