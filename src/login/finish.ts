/** How every login ends, whatever proved it: the session of somebody else is left, and the interaction is answered. */
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
  interactions: Pick<Interactions, 'decideWithin' | 'finish' | 'leaveSession'>
  sessions: Pick<Sessions, 'end'>
  views: Views
  acrOf: (level: Level) => string
  cookie: Pick<BrowserCookie, 'keep'>
  securityNotifications: Pick<SecurityNotifications, 'signedIn'>
}

/**
 * The account as it was read with the last proof, how it was proven (RFC 8176), and when the oldest proof was given (milliseconds). No
 * session is made in a later generation of the account.
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
      { decide: (tx) => interactions.decideWithin(tx, uid, answer) },
    )
    if (interaction.sessionUid && interaction.accountId !== accountId) {
      await interactions.leaveSession(ctx, uid)
      await sessions.end(interaction.sessionUid, interaction.accountId, origin)
    }
    const ts = Math.floor(authTimeMs / 1000)
    // The store compares `generation` when the sign-in becomes a session.
    const login = { accountId, generation, acr: acrOf(level), amr: [...amr], ts }
    views.render(ctx, 'continue', { url: await interactions.finish(ctx, { login, select_account: {} }, answer) })
  }
}
