/**
 * The cookies of a known browser on the account and recovery pages, and their renewal after a
 * reset.
 */
import type { Context } from 'koa'
import type { RenewCookies } from '../authentication/account-reset-types.ts'
import type { AccountSessions } from '../authentication/account-session.ts'
import type { CallerBrowser } from './service.ts'

type Deps = {
  accountSessions: Pick<AccountSessions, 'rename'>
  /** Set at the first sign-in to the account. */
  browserCookie: { read: (ctx: Context) => string | undefined; keep: (ctx: Context, token: string) => unknown }
  /** Lets the browser skip the second factor. */
  rememberedCookie: {
    read: (ctx: Context) => string | undefined
    write: (ctx: Context, token: string, lifetimeMs: number) => void
  }
  rememberedMs: number
}

export function createAccountBrowser({ accountSessions, browserCookie, rememberedCookie, rememberedMs }: Deps) {
  const browserOf = (ctx: Context): CallerBrowser => ({
    knownToken: browserCookie.read(ctx),
    rememberedToken: rememberedCookie.read(ctx),
  })
  const renewCookies: RenewCookies = (ctx, { session, knownToken, rememberedToken }) => {
    accountSessions.rename(ctx, session)
    if (knownToken !== undefined) browserCookie.keep(ctx, knownToken)
    if (rememberedToken !== undefined) rememberedCookie.write(ctx, rememberedToken, rememberedMs)
  }
  return { browserOf, renewCookies }
}
