/** How every login ends, whatever proved it: the session of somebody else is left, and the interaction is answered. */
import type { Context } from 'koa'
import type { Interaction, Interactions } from '../authentication/interaction.ts'
import type { Level } from '../authentication/levels.ts'
import type { Views } from '../http/views.ts'
import type { Sessions } from '../sessions/service.ts'
import type { BrowserCookie } from './browser-cookie.ts'
import type { LoginNotices } from './notices.ts'

type Deps = {
  interactions: Pick<Interactions, 'decide' | 'finish' | 'leaveSession'>
  sessions: Pick<Sessions, 'end'>
  views: Views
  acrOf: (level: Level) => string
  cookie: Pick<BrowserCookie, 'keep'>
  notices: Pick<LoginNotices, 'signedIn'>
}

/**
 * Who has signed in, how (RFC 8176), and when the oldest proof of it was given (milliseconds). `generation` is the account's, read with
 * the first proof: no session is made in a later one.
 */
type SignedIn = Readonly<{
  accountId: string
  generation: number
  level: Level
  amr: readonly string[]
  authTimeMs: number
}>

export type FinishLogin = ReturnType<typeof createFinishLogin>

export function createFinishLogin({ interactions, sessions, views, acrOf, cookie, notices }: Deps) {
  return async (ctx: Context, interaction: Interaction, signedIn: SignedIn) => {
    const { accountId, generation, level, amr, authTimeMs } = signedIn
    const answer = `login ${accountId} ${level}`
    if (interaction.sessionUid && interaction.accountId !== accountId) {
      await interactions.decide(interaction.uid, answer)
      await interactions.leaveSession(ctx, interaction.uid)
      await sessions.end(interaction.sessionUid, interaction.accountId, ctx.ip)
    }
    await notices.signedIn(signedIn, cookie.keep(ctx), ctx.ip)
    const ts = Math.floor(authTimeMs / 1000)
    // The store compares `generation` when the sign-in becomes a session.
    const login = { accountId, generation, acr: acrOf(level), amr: [...amr], ts }
    views.render(ctx, 'continue', { url: await interactions.finish(ctx, { login, select_account: {} }, answer) })
  }
}
