/**
 * RP-initiated logout around the engine: no forms submitted by script, no redirect after a form,
 * and the end of tokens.
 */
import type { Context } from 'koa'
import type { KoaContextWithOIDC } from 'oidc-provider'
import type { RequestOrigin } from '../origin.ts'
import { originOf } from '../origin.ts'
import { routes } from './endpoints.ts'

type Next = () => Promise<void>

type Deps = {
  /** Shows the page that continues to `url`. */
  showContinue: (ctx: Context, url: string) => void
  /** Ends what was issued in the session without offline access. */
  endSession: (sessionUid: string, accountId: string | undefined, origin: RequestOrigin) => Promise<void>
  /** The name (`sid`) of a session at one client. */
  sidOf: (sessionUid: string, clientId: string) => string
  /** The attributes of the session's cookie. */
  sessionCookie: { httpOnly: boolean; sameSite: 'lax'; secure: boolean; signed: boolean; path: string }
  formPost: (ctx: KoaContextWithOIDC, action: string, payload: Record<string, unknown>) => Promise<void>
}

// Never "cookies": that would clear the cookies of the whole domain.
const clearedData = '"cache", "storage"'

type LogoutState = { secret?: string; state?: string; postLogoutRedirectUri?: string }

/**
 * Whether the hint, which the engine has verified, contains the `sid` of this session. Otherwise
 * the user must confirm: no hint, another session, a removed key, or a token without `sid`.
 */
function isOfThisSession({ oidc }: KoaContextWithOIDC, sidOf: Deps['sidOf']): boolean {
  const { client, session } = oidc
  const { sid } = (oidc.entities.IdTokenHint?.payload ?? {}) as { sid?: unknown }
  if (!client || !session?.accountId || typeof sid !== 'string') return false
  // Sessions from before derived names keep the `sid` that they were given.
  return (session.authorizations?.[client.clientId]?.sid ?? sidOf(session.uid, client.clientId)) === sid
}

/** The URL after logout, with the client's `state` (RP-Initiated Logout 1.0 §3). */
function afterLogout(ctx: KoaContextWithOIDC, { postLogoutRedirectUri, state }: LogoutState): string {
  if (!postLogoutRedirectUri) return ctx.oidc.urlFor('end_session_success')
  const url = new URL(postLogoutRedirectUri)
  if (state !== undefined) url.searchParams.set('state', state)
  return url.href
}

/**
 * Middleware inside the engine's chain. RP-Initiated Logout 1.0 §2: the user must confirm, unless
 * the hint names this session. The confirming POST is answered 200 with a page, because Chromium
 * applies form-action to every redirect after a form.
 */
export function createLogoutAround({ showContinue, endSession, sidOf, sessionCookie, formPost }: Deps) {
  // Only logouts and resumed authorizations need this.
  const isConcerned = ({ path }: KoaContextWithOIDC) =>
    path.startsWith(routes.end_session) || path.startsWith(`${routes.authorization}/`)
  return (ctx: KoaContextWithOIDC, next: Next): Promise<void> => (isConcerned(ctx) ? around(ctx, next) : next())

  async function around(ctx: KoaContextWithOIDC, next: Next): Promise<void> {
    await next()
    const { oidc } = ctx
    if (!oidc?.session) return
    const { session } = oidc
    const state = (session.state ?? {}) as LogoutState
    const koaContext = ctx

    if (oidc.route === 'end_session' && ctx.status === 200 && isOfThisSession(ctx, sidOf)) {
      // RP-Initiated Logout 1.0 §2: the hint names this session, so that no confirmation is needed.
      await session.destroy()
      await endSession(session.uid, session.accountId, originOf(koaContext))
      koaContext.cookies.set(oidc.provider.cookieName('session'), null, { ...sessionCookie, overwrite: true })
      ctx.set('Clear-Site-Data', clearedData)
      ctx.body = null
      ctx.redirect(afterLogout(ctx, state))
      ctx.status = 303
      return
    }
    if (oidc.route === 'end_session' && ctx.status === 200 && !session.accountId) {
      // No account is signed in, so no confirmation is needed. The engine would submit a form by
      // script.
      ctx.body = null
      ctx.redirect(afterLogout(ctx, state))
      ctx.status = 303
      return
    }
    if (oidc.route === 'resume' && ctx.status === 200 && session.accountId && state.postLogoutRedirectUri) {
      // Another user has signed in meanwhile in another tab: the engine's form is shown as our
      // page.
      return formPost(ctx, oidc.urlFor('end_session_confirm'), { xsrf: state.secret, logout: 'yes' })
    }
    if (oidc.route === 'end_session_confirm' && ctx.status === 303) {
      if (session.destroyed) {
        await endSession(session.uid, session.accountId, originOf(koaContext))
        ctx.set('Clear-Site-Data', clearedData)
      }
      const url = ctx.response.get('Location')
      ctx.remove('Location')
      ctx.status = 200
      showContinue(koaContext, url)
    }
  }
}
