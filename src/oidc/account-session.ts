/** The engine's browser session, for pages that are not part of an authorization. */
import type { Context } from 'koa'
import type { Provider, Session } from 'oidc-provider'
import type { AccountSessions } from '../authentication/account-session.ts'

type Deps = {
  provider: () => Provider
  /** The generation in the row of the session that this request has loaded. */
  generationOf: (uid: string) => number
  /** The attributes of the session's cookie. */
  cookie: Readonly<{ httpOnly: boolean; sameSite: 'lax'; secure: boolean; signed: boolean; path: string }>
}

export function createAccountSessions({ provider, generationOf, cookie }: Deps): AccountSessions {
  const load = async (ctx: Context): Promise<Session> => provider().Session.get(ctx)

  return {
    read: async (ctx) => {
      const { accountId, uid, id, loginTs, acr, amr } = await load(ctx)
      if (accountId === undefined || loginTs === undefined) return undefined
      return { accountId, uid, id, generation: generationOf(uid), authTime: loginTs, acr, amr: amr ?? [] }
    },

    rename: (ctx, session) => {
      if (!session) return
      const expires = new Date(session.expiresAt)
      ctx.cookies.set(provider().cookieName('session'), session.id, { ...cookie, expires })
    },
  }
}
