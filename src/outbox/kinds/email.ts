/** Emails: the outbox holds which one is meant and for which account; its link is made when it is sent. */
import type { EmailIntent } from '../../email/intent.ts'
import type { OutboxKind } from '../kind.ts'

export const emailKind: OutboxKind<'mail', EmailIntent> = {
  name: 'mail',
  isOutside: true,
  // About a day, with growing pauses: what arrives later than that surprises more than it helps.
  maxAttempts: 12,
}
