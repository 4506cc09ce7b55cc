/** Logouts, as the version before sent them, one event each. Now each client has a job; drop this in a later release. */
import type { OutboxKind } from '../kind.ts'

export const logout: OutboxKind<'logout', { id: string }> = { name: 'logout', isOutside: true }
