/** The cookie of a remembered browser: a random token. Only its digest is stored. */
import type { Context } from 'koa'

export type RememberedCookie = ReturnType<typeof createRememberedCookie>

export function createRememberedCookie({ issuer }: { issuer: string }) {
  const isSecure = issuer.startsWith('https:')
  // RFC 6265bis §4.1.3.2: with the prefix, a sibling host cannot set this cookie.
  const name = `${isSecure ? '__Host-' : ''}latchkey.remembered`
  return {
    read: (ctx: Context): string | undefined => {
      const value = ctx.cookies.get(name, { signed: false })
      return value !== undefined && /^[\w-]{43}$/.test(value) ? value : undefined
    },
    write: (ctx: Context, token: string, lifetimeMs: number): void => {
      const options = { signed: false, httpOnly: true, sameSite: 'lax', secure: isSecure, path: '/' } as const
      ctx.cookies.set(name, token, { ...options, maxAge: lifetimeMs })
    },
  }
}
