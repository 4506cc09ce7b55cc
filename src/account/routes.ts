/** The page that the link to a new e-mail address opens. */
import type { Context } from 'koa'
import { z } from 'zod'
import type { Route } from '../http/route.ts'
import { defineRoute } from '../http/route.ts'
import type { Views } from '../http/views.ts'
import type { AccountSessions } from '../oidc/account-session.ts'
import type { AccountChanges, CallerBrowser } from './service.ts'

type Deps = {
  changes: AccountChanges
  /** Who is signed in at this browser. */
  sessions: Pick<AccountSessions, 'read' | 'rename'>
  /** By which cookies the browser is known. */
  browserOf: (ctx: Context) => CallerBrowser
  views: Views
}

const link = { token: z.string().max(200) }

export function accountRoutes({ changes, sessions, browserOf, views }: Deps): readonly Route[] {
  const open = defineRoute({
    kind: 'page',
    method: 'GET',
    path: '/email-change',
    name: 'account.email_link',
    permission: 'public',
    limit: { policy: 'link', by: ({ query }) => query.token },
    query: z.object(link),
    handler: async (ctx, { query: { token } }) => {
      const { email } = await changes.showEmailChange(token)
      views.render(ctx, 'link', { kind: 'email_change', action: '/email-change', token, email })
    },
  })

  const confirm = defineRoute({
    kind: 'form',
    method: 'POST',
    path: '/email-change',
    name: 'account.confirm_email',
    permission: 'public',
    limit: { policy: 'link', by: ({ body }) => body.token },
    csrf: 'token',
    body: { schema: z.strictObject(link) },
    handler: async (ctx, { body }) => {
      // The session in which the link is opened lives on, when it is the account's.
      const session = await sessions.read(ctx)
      const end = await changes.confirmEmailChange(body.token, {
        ...(session && { session }),
        browser: browserOf(ctx),
        address: ctx.ip,
      })
      sessions.rename(ctx, end.session)
      views.render(ctx, 'notice', { name: 'email_changed' })
    },
  })

  return [open, confirm]
}
