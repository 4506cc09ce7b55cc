/** The account's sessions and allowed applications: shown and ended here. */
import { z } from 'zod'
import type { AccountSessions } from '../authentication/account-session.ts'
import { atMinute } from '../clock.ts'
import type { FrameOf } from '../http/account-pages.ts'
import type { Route } from '../http/route.ts'
import { form, page, seeOther } from '../http/route.ts'
import type { Views } from '../http/views.ts'
import type { Sessions } from '../sessions/service.ts'
import type { Applications } from './applications.ts'

type Deps = {
  frameOf: FrameOf
  sessions: Sessions
  accountSessions: Pick<AccountSessions, 'rename'>
  applications: Applications
  views: Views
}

export function accessRoutes({ frameOf, sessions, accountSessions, applications, views }: Deps): readonly Route[] {
  const formatTime = (at: number | undefined) => (at === undefined ? undefined : atMinute(at))

  const showSessions = page({
    path: '/account/sessions',
    name: 'account.sessions',
    access: { session: 'any' },
    handler: async (ctx, { visit }) => {
      const found = await sessions.list(visit.account.id, visit.session.uid)
      views.render(ctx, 'account/sessions', {
        ...frameOf(visit, 'sessions'),
        sessions: found
          .toSorted((left, right) => Number(right.isThis) - Number(left.isThis))
          .map(({ signedInAt, lastSeenAt, ...one }) => ({
            ...one,
            signedInAt: formatTime(signedInAt),
            lastSeenAt: formatTime(lastSeenAt),
          })),
      })
    },
  })

  const endSession = form({
    path: '/account/sessions/end',
    name: 'account.end_session',
    access: { session: 'any' },
    limit: { policy: 'account' },
    body: { schema: z.strictObject({ session: z.string().max(100) }) },
    handler: async (ctx, { visit, body }) => {
      await sessions.endOwn(visit.account.id, body.session, visit.origin)
      seeOther(ctx, '/account?done=session')
    },
  })

  const endOthers = form({
    path: '/account/sessions/end-others',
    name: 'account.end_other_sessions',
    access: { session: 'any' },
    limit: { policy: 'account' },
    body: { schema: z.strictObject({}) },
    handler: async (ctx, { visit }) => {
      accountSessions.rename(ctx, await sessions.endOthers(visit.account.id, visit.session, visit.origin))
      seeOther(ctx, '/account?done=sessions')
    },
  })

  const showApplications = page({
    path: '/account/applications',
    name: 'account.applications',
    access: { session: 'any' },
    handler: async (ctx, { visit }) => {
      const found = await applications.list(visit.account.id)
      views.render(ctx, 'account/applications', {
        ...frameOf(visit, 'applications'),
        applications: found.map(({ since, ...one }) => ({ ...one, since: formatTime(since) })),
      })
    },
  })

  const withdraw = form({
    path: '/account/applications/withdraw',
    name: 'account.withdraw_application',
    access: { session: 'any' },
    limit: { policy: 'account' },
    body: { schema: z.strictObject({ client: z.string().max(100) }) },
    handler: async (ctx, { visit, body }) => {
      await applications.withdraw(visit.account.id, body.client, visit.origin)
      seeOther(ctx, '/account?done=withdrawn')
    },
  })

  return [showSessions, endSession, endOthers, showApplications, withdraw]
}
