/**
 * The reset of an account: everything of its old generation ends, except the access of the browser
 * that requested it. Only the types. `revocation/account-reset.ts` resets, `revocation/endings.ts`
 * lists what ends.
 */
import type { Context } from 'koa'
import type { Tx } from '../database/database.ts'

/**
 * The access that the resetting request keeps. The tokens are those of the browser's cookies, which
 * are replaced.
 */
export type PreservedAccess = Readonly<{
  /** The session of the request: its uid, and the id with which it was loaded. */
  session?: Readonly<{ uid: string; id: string }>
  /** Present when the browser is known from now on, under this email. */
  knownBrowser?: Readonly<{ email: string }>
  /** The token of the cookie with which the browser skips the second factor. */
  rememberedToken?: string
}>

/**
 * The browser's access after the reset: `session` is the kept session with its new id, `expiresAt`
 * is in milliseconds, and the tokens are new.
 */
export type AccountResetResult = Readonly<{
  generation: number
  session?: Readonly<{ id: string; expiresAt: number }>
  knownToken?: string
  rememberedToken?: string
}>

/** Sets the new cookies of the browser after the reset is committed. */
export type RenewCookies = (ctx: Context, end: AccountResetResult) => void

/**
 * Within the caller's transaction, which has locked the account's row. Throws `account_reset` when
 * the session to be kept has ended.
 */
export type AccountReset = (tx: Tx, accountId: string, preserved?: PreservedAccess) => Promise<AccountResetResult>

/** Ends the data of one feature that ends with the account's generation. */
export type AccountResetHandler = (
  tx: Tx,
  accountId: string,
  next: Readonly<{ preserved: PreservedAccess; end: AccountResetResult }>,
) => Promise<void>
