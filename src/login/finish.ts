/** The end of every login: leaves another account's session and answers the interaction. */
import type { Context } from 'koa'
import type { Account } from '../accounts/account.ts'
import type { Interaction, Interactions } from '../authentication/interaction.ts'
import type { Level } from '../authentication/levels.ts'
import type { Views } from '../http/views.ts'
import { originOf } from '../origin.ts'
import type { Sessions } from '../sessions/service.ts'
import type { BrowserCookie } from './browser-cookie.ts'
import type { SecurityNotifications } from './security-notifications.ts'

type Deps = {
  interactions: Pick<Interactions, 'decide' | 'finish' | 'leaveSession'>
  sessions: Pick<Sessions, 'end'>
  views: Views
  acrOf: (level: Level) => string
  cookie: Pick<BrowserCookie, 'keep'>
  securityNotifications: Pick<SecurityNotifications, 'signedIn'>
}

/**
 * The account as read with the last proof, the methods (RFC 8176), and the time of the oldest proof
 * (milliseconds). A later generation of the account gets no session.
 */
type SignInResult = Readonly<{
  account: Account
  level: Level
  amr: readonly string[]
  authTimeMs: number
}>

export type FinishLogin = ReturnType<typeof createFinishLogin>

export function createFinishLogin({ interactions, sessions, views, acrOf, cookie, securityNotifications }: Deps) {
  return async (ctx: Context, interaction: Interaction, { account, level, amr, authTimeMs }: SignInResult) => {
    const { uid, clientId } = interaction
    const { id: accountId, generation } = account
    const answer = `login ${accountId} ${level}`
    const origin = originOf(ctx)
    await securityNotifications.signedIn(
      { account, level, amr, clientId, origin, browserToken: cookie.keep(ctx) },
      { decide: (tx) => interactions.decide(tx, uid, answer) },
    )
    if (interaction.sessionUid && interaction.accountId !== accountId) {
      await interactions.leaveSession(ctx, uid)
      await sessions.end(interaction.sessionUid, interaction.accountId, origin)
    }
    const ts = Math.floor(authTimeMs / 1000)
    // The store compares `generation` when it creates the session.
    const login = { accountId, generation, acr: acrOf(level), amr: [...amr], ts }
    views.render(ctx, 'continue', { url: await interactions.finish(ctx, { login, select_account: {} }, answer) })
  }
}
