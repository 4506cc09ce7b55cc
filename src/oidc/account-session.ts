/** The browser session of the engine, for pages of ours that are no part of an authorization: who is signed in, since when, and how. */
import type { Context } from 'koa'
import type { Provider, Session } from 'oidc-provider'

export type AccountSession = Readonly<{
  accountId: string
  uid: string
  /** The id under which it was loaded, and under which alone it may be written or renamed. */
  id: string
  /** The account's generation when the session was signed in to. */
  generation: number
  /** Epoch seconds: the moment that `max_age` is compared with. */
  authTime: number
  acr: string | undefined
  amr: readonly string[]
}>

export type AccountSessions = ReturnType<typeof createAccountSessions>

type Deps = {
  provider: () => Provider
  /** The generation in the row of the session that this request has loaded. */
  generationOf: (uid: string) => number
  /** How the session's cookie is set. */
  cookie: Readonly<{ httpOnly: boolean; sameSite: 'lax'; secure: boolean; signed: boolean; path: string }>
}

export function createAccountSessions({ provider, generationOf, cookie }: Deps) {
  const load = async (ctx: Context): Promise<Session> => provider().Session.get(ctx)

  return {
    /** Undefined: nobody is signed in at this browser. */
    read: async (ctx: Context): Promise<AccountSession | undefined> => {
      const { accountId, uid, id, loginTs, acr, amr } = await load(ctx)
      if (accountId === undefined || loginTs === undefined) return undefined
      return { accountId, uid, id, generation: generationOf(uid), authTime: loginTs, acr, amr: amr ?? [] }
    },

    /** Tells the browser the session's new id: the old one opens nothing any more (OWASP ASVS 7.2.4). `expiresAt` in milliseconds. */
    rename: (ctx: Context, session: { id: string; expiresAt: number } | undefined): void => {
      if (!session) return
      const expires = new Date(session.expiresAt)
      ctx.cookies.set(provider().cookieName('session'), session.id, { ...cookie, expires })
    },
  }
}
