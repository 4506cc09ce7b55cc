/** A browser's session at this server, as the account pages read it. */
import type { Context } from 'koa'

export type AccountSession = Readonly<{
  accountId: string
  uid: string
  /** The id with which it was loaded. Only with this id may it be written or renamed. */
  id: string
  /** The account's generation when the session was signed in to. */
  generation: number
  /** Epoch seconds: the moment that `max_age` is compared with. */
  authTime: number
  acr: string | undefined
  amr: readonly string[]
}>

export type AccountSessions = Readonly<{
  /** Undefined: no account is signed in at this browser. */
  read: (ctx: Context) => Promise<AccountSession | undefined>

  /**
   * Sends the browser the session's new id. The old id is no longer valid (OWASP ASVS 7.2.4).
   * `expiresAt` in milliseconds.
   */
  rename: (ctx: Context, session: Readonly<{ id: string; expiresAt: number }> | undefined) => void
}>
