/**
 * Proof that a form comes from our page in the same browser: a token bound to a random cookie,
 * Origin and Sec-Fetch-Site.
 */
import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto'
import type { Context, Middleware } from 'koa'
import type { Random } from '../random.ts'
import { csrfFailed } from './errors.ts'

export type Csrf = {
  /**
   * A token for the forms on this page, new in each response. Sets the browser's cookie when there
   * is none.
   */
  tokenFor: (ctx: Context) => string
  /**
   * Identifies the page and browser of the form: the same when the form is sent twice. Call it
   * after `checkToken`.
   */
  formOf: (ctx: Context) => string
  /**
   * Binds the forms of this response to the account of the session. Call it after `checkToken`.
   * @throws csrf_failed (403) when the request's form is from a page of another account.
   */
  bindTo: (ctx: Context, accountId: string) => void
  /** @throws csrf_failed (403) when `token` was not created for this browser. */
  checkToken: (ctx: Context, token: unknown) => void
  /** @throws csrf_failed (403) when the request comes from another site or another origin. */
  checkOrigin: (ctx: Context) => void
  /**
   * `checkOrigin` for every unsafe request to `paths`: forms whose body and token the engine checks
   * itself.
   */
  guardOrigin: (paths: readonly string[]) => Middleware
}

/** The form field that contains the token. */
export const csrfField = 'csrf'
/** The header in which our scripts send the token with JSON. */
export const csrfHeader = 'X-CSRF-Token'

const safeMethods = ['GET', 'HEAD', 'OPTIONS']

type Deps = {
  /** `rootSecret.derive('csrf')` */
  key: Buffer
  /** Gives the allowed origin and, by its scheme, the cookie's name and flags. */
  issuer: string
  random: Random
  /** A `__Host-` cookie of the page, as its name and value. */
  pageBinding?: (ctx: Context) => string | undefined
}

export function createCsrf({ key, issuer, random, pageBinding = () => undefined }: Deps): Csrf {
  const { origin, protocol } = new URL(issuer)
  const secretKey = createSecretKey(key)
  const isSecure = protocol === 'https:'
  // RFC 6265bis §4.1.3.2: with the prefix, a neighbouring host cannot set this cookie.
  const cookieName = `${isSecure ? '__Host-' : ''}latchkey.browser`

  const browserOf = (ctx: Context): string | undefined => {
    const value = ctx.state.browserId ?? ctx.cookies.get(cookieName, { signed: false })
    return typeof value === 'string' && /^[\w-]{43}$/.test(value) ? value : undefined
  }
  const proof = (browserId: string, nonce: string) =>
    createHmac('sha256', secretKey).update(`${browserId}.${nonce}`).digest()

  const ownerProof = (accountId: string, fresh: string): string =>
    createHmac('sha256', secretKey).update(`account ${accountId}.${fresh}`).digest('base64url')

  // Tabs opened at the same time overwrite the browser cookie of each other, so the cookie of the
  // page counts too.
  const bindingsOf = (ctx: Context): string[] => [browserOf(ctx), pageBinding(ctx)].filter((id) => id !== undefined)
  const equals = (given: Buffer, expected: Buffer): boolean =>
    given.length === expected.length && timingSafeEqual(given, expected)

  const checkOrigin = (ctx: Context): void => {
    const site = ctx.get('Sec-Fetch-Site')
    if (site !== '' && site !== 'same-origin' && site !== 'none') throw csrfFailed()
    // A page without an origin sends `null`, which is refused as foreign. Browsers send Origin with
    // every POST; other clients need not.
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
      // A new nonce in each response, so that page lengths behind a compressing proxy do not reveal
      // the token (BREACH).
      const fresh = random.token(128)
      const { csrfOwner } = ctx.state
      const nonce = typeof csrfOwner === 'string' ? `${fresh}~${ownerProof(csrfOwner, fresh)}` : fresh
      const token = [nonce, ...bindingsOf(ctx).map((id) => proof(id, nonce).toString('base64url'))].join('.')
      ctx.state.csrfToken = token
      return token
    },
    formOf: (ctx) => {
      const form = ctx.state.csrfForm as string | undefined
      if (form === undefined) throw csrfFailed()
      return form
    },
    bindTo: (ctx, accountId) => {
      ctx.state.csrfOwner = accountId
      const [fresh = '', owner] = ((ctx.state.csrfForm as string | undefined) ?? '').split('~')
      // The form of a page without an account has no owner. Nothing on it belongs to an account.
      if (owner === undefined) return
      if (!equals(Buffer.from(owner), Buffer.from(ownerProof(accountId, fresh)))) throw csrfFailed()
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
