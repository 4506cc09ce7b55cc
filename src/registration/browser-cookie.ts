/**
 * The cookie of the browser that registered an account: a new value for each registration. Only its
 * digest is stored.
 */
import { createHash, createHmac, createSecretKey } from 'node:crypto'
import type { Context } from 'koa'

type Deps = {
  issuer: string
  /** `rootSecret.derive('registration browsers')`. */
  key: Buffer
  /** Identifies the browser and the page that a form came from. */
  formOf: (ctx: Context) => string
}

export type RegistrationCookie = ReturnType<typeof createRegistrationCookie>

export function createRegistrationCookie({ issuer, key, formOf }: Deps) {
  const secretKey = createSecretKey(key)
  const isSecure = issuer.startsWith('https:')
  // RFC 6265bis §4.1.3.2: with the prefix, a sibling host cannot set this cookie.
  const name = `${isSecure ? '__Host-' : ''}latchkey.registration`
  const options = { signed: false, httpOnly: true, sameSite: 'lax', secure: isSecure, path: '/' } as const

  return {
    /** The digest of the browser's latest registration, or undefined. */
    read: (ctx: Context): Buffer | undefined => {
      const token = ctx.cookies.get(name, { signed: false })
      return token !== undefined && /^[\w-]{43}$/.test(token) ? digestOf(token) : undefined
    },

    /**
     * Store `digest` with the account; `keep` sets the cookie. The same form and email give the
     * same value, so that a double click is one registration.
     */
    begin: (ctx: Context, email: string) => {
      const token = createHmac('sha256', secretKey)
        .update(JSON.stringify([formOf(ctx), email]))
        .digest('base64url')
      return { digest: digestOf(token), keep: (): void => void ctx.cookies.set(name, token, options) }
    },
  }
}

const digestOf = (token: string): Buffer => createHash('sha256').update(`latchkey registration ${token}`).digest()
