/** How every login ends, whatever proved it: the session of somebody else is left, and the interaction is answered. */
import type { Context } from 'koa'
import type { Views } from '../http/views.ts'
import type { Level } from '../mfa/proof.ts'
import type { Interaction, Interactions } from '../oidc/interaction.ts'
import type { Sessions } from '../sessions/service.ts'
import type { BrowserCookie } from './browser-cookie.ts'
import type { LoginNotices } from './notices.ts'

type Deps = {
  interactions: Pick<Interactions, 'finish' | 'leaveSession'>
  sessions: Pick<Sessions, 'end'>
  views: Views
  acrOf: (level: Level) => string
  cookie: Pick<BrowserCookie, 'keep'>
  notices: Pick<LoginNotices, 'signedIn'>
}

/** Who has signed in, how (RFC 8176), and when the oldest proof of it was given (milliseconds). */
type SignedIn = Readonly<{ accountId: string; level: Level; amr: readonly string[]; authTimeMs: number }>

export type FinishLogin = ReturnType<typeof createFinishLogin>

export function createFinishLogin({ interactions, sessions, views, acrOf, cookie, notices }: Deps) {
  return async (ctx: Context, interaction: Interaction, { accountId, level, amr, authTimeMs }: SignedIn) => {
    if (interaction.sessionUid && interaction.accountId !== accountId) {
      await interactions.leaveSession(ctx, interaction.uid)
      await sessions.end(interaction.sessionUid, interaction.accountId, ctx.ip)
    }
    await notices.signedIn(accountId, cookie.keep(ctx), ctx.ip)
    const login = { accountId, acr: acrOf(level), amr: [...amr], ts: Math.floor(authTimeMs / 1000) }
    views.render(ctx, 'continue', { url: await interactions.finish(ctx, { login, select_account: {} }) })
  }
}
