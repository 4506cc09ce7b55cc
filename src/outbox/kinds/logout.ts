/** Logouts on their way to a relying party. The row of the delivery says whose; here is only its id. */
import type { OutboxKind } from '../kind.ts'

export const logout: OutboxKind<'logout', { id: string }> = {
  name: 'logout',
  isOutside: true,
  deliver: ({ id }, delivery, { deliverLogout }) => deliverLogout(id, delivery),
}
