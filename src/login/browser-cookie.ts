/**
 * The cookie of a browser that signed in before: a signed random token. Only a digest of the token
 * and the email is stored.
 */
import type { Context } from 'koa'
import type { Random } from '../random.ts'

export type BrowserCookie = ReturnType<typeof createBrowserCookie>

const lifetimeMs = 400 * 24 * 60 * 60 * 1000

export function createBrowserCookie({ issuer, random }: { issuer: string; random: Random }) {
  const isSecure = issuer.startsWith('https:')
  // RFC 6265bis §4.1.3.2: with the prefix, a sibling host cannot set this cookie.
  const name = `${isSecure ? '__Host-' : ''}latchkey.device`

  const read = (ctx: Context): string | undefined => {
    const value = ctx.cookies.get(name, { signed: true })
    return value !== undefined && /^[\w-]{43}$/.test(value) ? value : undefined
  }

  /** Returns the browser's token, or a new one. Does not set the cookie. */
  const tokenFor = (ctx: Context): string => read(ctx) ?? random.token()

  return {
    read,
    tokenFor,

    /** Renews the cookie. Returns the browser's token, or a new one. */
    keep: (ctx: Context, token = tokenFor(ctx)): string => {
      const options = { signed: true, httpOnly: true, sameSite: 'lax', secure: isSecure, path: '/' } as const
      ctx.cookies.set(name, token, { ...options, maxAge: lifetimeMs })
      return token
    },
  }
}
