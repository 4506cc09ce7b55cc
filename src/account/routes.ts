/** The page that the link to a new e-mail address opens. */
import { z } from 'zod'
import type { Route } from '../http/route.ts'
import { defineRoute } from '../http/route.ts'
import type { Views } from '../http/views.ts'
import type { AccountChanges } from './service.ts'

type Deps = { changes: AccountChanges; views: Views }

const link = { token: z.string().max(200) }

export function accountRoutes({ changes, views }: Deps): readonly Route[] {
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
      await changes.confirmEmailChange(body.token, { address: ctx.ip })
      views.render(ctx, 'notice', { name: 'email_changed' })
    },
  })

  return [open, confirm]
}
