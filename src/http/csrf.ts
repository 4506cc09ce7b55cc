/** Proof that a form comes from a page of ours in the same browser: a token bound to a random cookie, Origin and Sec-Fetch-Site. */
import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto'
import type { Context, Middleware } from 'koa'
import type { Random } from '../random.ts'
import { csrfFailed } from './errors.ts'

export type Csrf = {
  /** A token for the forms on this page, another one at each answer; sets the browser's cookie when it has none. */
  tokenFor: (ctx: Context) => string
  /** Which page of ours in which browser the form came from: the same when it is sent twice. After `checkToken`. */
  formOf: (ctx: Context) => string
  /** @throws csrf_failed (403) when `token` was not made for this browser. */
  checkToken: (ctx: Context, token: unknown) => void
  /** @throws csrf_failed (403) when the request comes from another site, or another origin of this one. */
  checkOrigin: (ctx: Context) => void
  /** `checkOrigin` for every unsafe request to `paths`: for forms whose body the engine reads, and checks with a token of its own. */
  guardOrigin: (paths: readonly string[]) => Middleware
}

/** The field of every form that carries the token. */
export const csrfField = 'csrf'
/** The header in which a script of ours sends the token with JSON. */
export const csrfHeader = 'X-CSRF-Token'

const safeMethods = ['GET', 'HEAD', 'OPTIONS']

type Deps = {
  /** `rootSecret.derive('csrf')` */
  key: Buffer
  /** Decides the one origin and, with its scheme, the cookie's name and flags. */
  issuer: string
  random: Random
  /** A `__Host-` cookie of the page itself, as its name and value. */
  ofPage?: (ctx: Context) => string | undefined
}

export function createCsrf({ key, issuer, random, ofPage = () => undefined }: Deps): Csrf {
  const { origin, protocol } = new URL(issuer)
  const secretKey = createSecretKey(key)
  const isSecure = protocol === 'https:'
  // RFC 6265bis §4.1.3.2: with the prefix no neighbouring host can plant this cookie.
  const cookieName = `${isSecure ? '__Host-' : ''}latchkey.browser`

  const browserOf = (ctx: Context): string | undefined => {
    const value = ctx.state.browserId ?? ctx.cookies.get(cookieName, { signed: false })
    return typeof value === 'string' && /^[\w-]{43}$/.test(value) ? value : undefined
  }
  const proof = (browserId: string, nonce: string) =>
    createHmac('sha256', secretKey).update(`${browserId}.${nonce}`).digest()

  // Tabs opened at once are each given a browser cookie, and the last one stays: a page's own cookie counts as well.
  const bindingsOf = (ctx: Context): string[] => [browserOf(ctx), ofPage(ctx)].filter((id) => id !== undefined)
  const equals = (given: Buffer, expected: Buffer): boolean =>
    given.length === expected.length && timingSafeEqual(given, expected)

  const checkOrigin = (ctx: Context): void => {
    const site = ctx.get('Sec-Fetch-Site')
    if (site !== '' && site !== 'same-origin' && site !== 'none') throw csrfFailed()
    // A page without an origin sends `null`, which is foreign, as an empty one is. Browsers send Origin with every POST; programs need not.
    const sent = ctx.headers.origin
    if (sent !== undefined && sent !== origin) throw csrfFailed()
  }

  return {
    tokenFor: (ctx) => {
      const known = ctx.state.csrfToken as string | undefined
      if (known !== undefined) return known
      if (!browserOf(ctx)) {
        const browserId = random.token()
        ctx.state.browserId = browserId
        const options = { signed: false, httpOnly: true, sameSite: 'lax', secure: isSecure, path: '/' } as const
        ctx.cookies.set(cookieName, browserId, options)
      }
      // A fresh nonce for each answer, so that a compressing proxy does not let the token be guessed from page lengths (BREACH).
      const nonce = random.token(128)
      const token = [nonce, ...bindingsOf(ctx).map((id) => proof(id, nonce).toString('base64url'))].join('.')
      ctx.state.csrfToken = token
      return token
    },
    formOf: (ctx) => {
      const form = ctx.state.csrfForm as string | undefined
      if (form === undefined) throw csrfFailed()
      return form
    },
    checkToken: (ctx, token) => {
      const [nonce, ...macs] = typeof token === 'string' ? token.split('.') : []
      if (!nonce || macs.length > 2) throw csrfFailed()
      const given = macs.map((mac) => Buffer.from(mac, 'base64url'))
      const expected = bindingsOf(ctx).map((id) => proof(id, nonce))
      if (!given.some((one) => expected.some((other) => equals(one, other)))) throw csrfFailed()
      ctx.state.csrfForm = nonce
    },
    checkOrigin,
    guardOrigin: (paths) => (ctx, next) => {
      if (!safeMethods.includes(ctx.method) && paths.includes(ctx.path)) checkOrigin(ctx)
      return next()
    },
  }
}
