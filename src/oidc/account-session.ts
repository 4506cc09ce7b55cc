/** The browser session of the engine, for pages of ours that are no part of an authorization: who is signed in, since when, and how. */
import type { Context } from 'koa'
import type { Provider, Session } from 'oidc-provider'

export type AccountSession = Readonly<{
  accountId: string
  uid: string
  /** Epoch seconds: the moment that `max_age` is compared with. */
  authTime: number
  acr: string | undefined
  amr: readonly string[]
}>

export type AccountSessions = ReturnType<typeof createAccountSessions>

type Deps = {
  provider: () => Provider
  /** How the session's cookie is set. */
  cookie: Readonly<{ httpOnly: boolean; sameSite: 'lax'; secure: boolean; signed: boolean; path: string }>
}

/** A session that was kept in the store knows when it ends. */
type Kept = Session & { id: string; loginTs?: number; exp?: number }

export function createAccountSessions({ provider, cookie }: Deps) {
  const load = async (ctx: Context): Promise<Kept> => (await provider().Session.get(ctx as never)) as Kept

  return {
    /** Undefined: nobody is signed in at this browser. */
    read: async (ctx: Context): Promise<AccountSession | undefined> => {
      const { accountId, uid, loginTs, acr, amr } = await load(ctx)
      if (accountId === undefined || loginTs === undefined) return undefined
      return { accountId, uid, authTime: loginTs, acr, amr: amr ?? [] }
    },

    /** Another name for the same session: who knew the old one has nothing (OWASP ASVS 7.2.4). */
    renew: async (ctx: Context): Promise<void> => {
      const session = await load(ctx)
      if (session.accountId === undefined || session.exp === undefined) return
      session.resetIdentifier()
      await session.persist()
      ctx.cookies.set(provider().cookieName('session'), session.id, {
        ...cookie,
        expires: new Date(session.exp * 1000),
      })
    },
  }
}
