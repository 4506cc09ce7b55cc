/**
 * The reset of an account: what ends with its generation, and what the browser that asked for it
 * keeps.
 */
import type { Context } from 'koa'
import type { Tx } from '../database/database.ts'

/**
 * What the request that resets an account keeps. Tokens are those of the browser's cookies: it gets
 * new ones.
 */
export type PreservedAccess = Readonly<{
  /** The session in which the request was sent: its uid, and the id by which it was loaded. */
  session?: Readonly<{ uid: string; id: string }>
  /** That the browser is known from now on, under this email address. */
  knownBrowser?: Readonly<{ email: string }>
  /** The token of the cookie that spares the browser the second factor. */
  rememberedToken?: string
}>

/**
 * What the browser continues with: `session` is the kept one under its new id, `expiresAt` in
 * milliseconds; the tokens are new.
 */
export type AccountEnd = Readonly<{
  generation: number
  session?: Readonly<{ id: string; expiresAt: number }>
  knownToken?: string
  rememberedToken?: string
}>

/** Sets the new cookies of the browser, once the reset is committed. */
export type RenewCookies = (ctx: Context, end: AccountEnd) => void

/**
 * Within the caller's transaction, which has locked the account's row. Throws `account_reset` when
 * the session to be kept is over.
 */
export type EndAccount = (tx: Tx, accountId: string, preserved?: PreservedAccess) => Promise<AccountEnd>

/** What one feature stores of an account that ends with the generation. */
export type AccountEnding = (
  tx: Tx,
  accountId: string,
  next: Readonly<{ preserved: PreservedAccess; end: AccountEnd }>,
) => Promise<void>
