/**
 * Logout events of the previous version, one for each logout. Now each client has a job; remove
 * this in a later release.
 */
import type { OutboxKind } from '../kind.ts'

export const logout: OutboxKind<'logout', { id: string }> = { name: 'logout', isOutside: true }
