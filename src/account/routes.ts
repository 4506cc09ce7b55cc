/** The page of the link that confirms a new email address. */
import type { Context } from 'koa'
import { z } from 'zod'
import type { RenewCookies } from '../authentication/account-reset-types.ts'
import type { AccountSessions } from '../authentication/account-session.ts'
import { AppError } from '../errors.ts'
import { withFieldProblems } from '../http/field-problems.ts'
import type { FieldProblems } from '../http/page-parts.ts'
import type { Route } from '../http/route.ts'
import { form, page } from '../http/route.ts'
import type { Views } from '../http/views.ts'
import { originOf } from '../origin.ts'
import type { AccountChanges, CallerBrowser } from './service.ts'

type Deps = {
  changes: AccountChanges
  /** Reads the session of this browser. */
  sessions: Pick<AccountSessions, 'read'>
  /** Reads the cookies of a known browser. */
  browserOf: (ctx: Context) => CallerBrowser
  renewCookies: RenewCookies
  views: Views
}

const link = { token: z.string().max(200) }
const password = z.string().max(4000).default('')

export function accountRoutes({ changes, sessions, browserOf, renewCookies, views }: Deps): readonly Route[] {
  async function show(ctx: Context, token: string, problems: FieldProblems = {}): Promise<void> {
    const found = await changes.showEmailChange(token, await sessions.read(ctx))
    views.render(ctx, 'link-email', { action: '/email-change', token, problems, ...found })
  }

  const open = page({
    path: '/email-change',
    name: 'account.email_link',
    access: 'public',
    limit: { policy: 'link', by: ({ query }) => query.token },
    query: z.object(link),
    handler: (ctx, { query: { token } }) => show(ctx, token),
  })

  const confirm = form({
    path: '/email-change',
    name: 'account.confirm_email',
    access: 'public',
    limit: { policy: 'link', by: ({ body }) => body.token },
    body: { schema: z.strictObject({ ...link, currentPassword: password }) },
    handler: async (ctx, { body }) => {
      // The session of the browser that opens the link stays valid, if it belongs to the account.
      const session = await sessions.read(ctx)
      let problems: FieldProblems = {}
      let isTaken = false
      const isConfirmed = await withFieldProblems(
        ctx,
        async () => {
          const end = await changes
            .confirmEmailChange(body.token, {
              ...(session && { session }),
              password: body.currentPassword,
              browser: browserOf(ctx),
              origin: originOf(ctx),
            })
            .catch((error: unknown) => {
              if (!(error instanceof AppError) || error.code !== 'email_taken') throw error
              isTaken = true
            })
          if (end) renewCookies(ctx, end)
        },
        (found) => {
          problems = found
        },
      )
      if (isConfirmed) {
        views.render(ctx, 'notice', { name: isTaken ? 'email_taken' : 'email_changed' })
        ctx.status = isTaken ? 409 : 200
        return
      }
      const { status } = ctx
      await show(ctx, body.token, problems)
      ctx.status = status
    },
  })

  return [open, confirm]
}
