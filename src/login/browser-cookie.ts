/** The cookie of a browser that has signed in here before: a random token, signed, of which only a digest with the person's address is kept. */
import type { Context } from 'koa'
import type { Random } from '../random.ts'

export type BrowserCookie = ReturnType<typeof createBrowserCookie>

const lifetimeMs = 400 * 24 * 60 * 60 * 1000

export function createBrowserCookie({ issuer, random }: { issuer: string; random: Random }) {
  const isSecure = issuer.startsWith('https:')
  // RFC 6265bis §4.1.3.2: with the prefix no neighbouring host can plant this cookie.
  const name = `${isSecure ? '__Host-' : ''}latchkey.device`

  const read = (ctx: Context): string | undefined => {
    const value = ctx.cookies.get(name, { signed: true })
    return value !== undefined && /^[\w-]{43}$/.test(value) ? value : undefined
  }

  /** The browser's token, a new one when it has none. The cookie is not set. */
  const tokenFor = (ctx: Context): string => read(ctx) ?? random.token()

  return {
    read,
    tokenFor,

    /** Gives the browser's token, a new one when it has none; the cookie lives on from now. */
    keep: (ctx: Context, token = tokenFor(ctx)): string => {
      const options = { signed: true, httpOnly: true, sameSite: 'lax', secure: isSecure, path: '/' } as const
      ctx.cookies.set(name, token, { ...options, maxAge: lifetimeMs })
      return token
    },
  }
}
