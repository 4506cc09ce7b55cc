/** What surrounds the engine's RP-initiated logout: no forms that send themselves, no redirect after a form, and the ending of tokens. */
import type { Context } from 'koa'
import type { KoaContextWithOIDC } from 'oidc-provider'
import type { RequestOrigin } from '../origin.ts'
import { originOf } from '../origin.ts'
import { routes } from './endpoints.ts'

type Next = () => Promise<void>

type Deps = {
  /** Shows the page that goes on to `url`. */
  showContinue: (ctx: Context, url: string) => void
  /** Ends what was issued in the session without offline access. */
  endSession: (sessionUid: string, accountId: string | undefined, origin: RequestOrigin) => Promise<void>
  /** The name of a session at one client. */
  sidOf: (sessionUid: string, clientId: string) => string
  /** How the session's cookie is set. */
  sessionCookie: { httpOnly: boolean; sameSite: 'lax'; secure: boolean; signed: boolean; path: string }
  formPost: (ctx: KoaContextWithOIDC, action: string, payload: Record<string, unknown>) => Promise<void>
}

// Never "cookies": they are the whole domain's.
const clearedData = '"cache", "storage"'

type LogoutState = { secret?: string; state?: string; postLogoutRedirectUri?: string }

/**
 * Whether the hint, which the engine has verified, names this very session: its `sid` is the one that the client was given in it. Without a
 * hint, or with one of another session, whose key is gone or that was issued before there was a `sid`, the person is asked.
 */
function isOfThisSession({ oidc }: KoaContextWithOIDC, sidOf: Deps['sidOf']): boolean {
  const { client, session } = oidc
  const { sid } = (oidc.entities.IdTokenHint?.payload ?? {}) as { sid?: unknown }
  if (!client || !session?.accountId || typeof sid !== 'string') return false
  // A session of the program before derived names keeps the ones that it gave out.
  return (session.authorizations?.[client.clientId]?.sid ?? sidOf(session.uid, client.clientId)) === sid
}

/** The address after logout, with the client's `state` (RP-Initiated Logout 1.0 §3). */
function afterLogout(ctx: KoaContextWithOIDC, { postLogoutRedirectUri, state }: LogoutState): string {
  if (!postLogoutRedirectUri) return ctx.oidc.urlFor('end_session_success')
  const url = new URL(postLogoutRedirectUri)
  if (state !== undefined) url.searchParams.set('state', state)
  return url.href
}

/**
 * Middleware inside the engine's chain. RP-Initiated Logout 1.0 §2: the person is asked, unless the hint is of this session; the POST that ends the session is
 * answered 200 with a page, because Chromium checks form-action at every redirect that follows a form.
 */
export function createLogoutAround({ showContinue, endSession, sidOf, sessionCookie, formPost }: Deps) {
  // A logout, or an authorization that is resumed: no other request has anything to do here.
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
      // The client asks for the session that it was given in its ID token (RP-Initiated Logout 1.0 §2): there is nothing to ask.
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
      // Nobody is signed in: the engine would send a form to itself by script. There is nothing to confirm.
      ctx.body = null
      ctx.redirect(afterLogout(ctx, state))
      ctx.status = 303
      return
    }
    if (oidc.route === 'resume' && ctx.status === 200 && session.accountId && state.postLogoutRedirectUri) {
      // Somebody else has signed in meanwhile, in another tab: the engine's form, as our page.
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
