/** The return from the login, and the overview of the account. */
import { z } from 'zod'
import type { Route } from '../http/route.ts'
import { page, seeOther } from '../http/route.ts'
import type { Views } from '../http/views.ts'
import type { SessionGuard } from './session-guard.ts'
import { sessionNotKept } from './errors.ts'
import type { FrameOf } from './frame.ts'

type Deps = { sessionGuard: SessionGuard; frameOf: FrameOf; views: Views }

const noticeNames = [
  'profile',
  'email',
  'password',
  'kept',
  'session',
  'sessions',
  'withdrawn',
  'removed',
  'browsers',
  'reset_stopped',
] as const

export function overviewRoutes({ sessionGuard, frameOf, views }: Deps): readonly Route[] {
  const back = page({
    path: '/account/return',
    name: 'account.return',
    access: 'public',
    // The authorization response (RFC 6749 §4.1.2, §4.1.2.1).
    query: z.object({ state: z.string().max(200).optional(), error: z.string().max(200).optional() }),
    handler: async (ctx, { query: { state, error } }) => {
      // A login that was cancelled leads to no page of the account.
      if (error !== undefined) return seeOther(ctx, '/')
      const path = await sessionGuard.pageAfter(ctx, state)
      if (path === undefined) throw sessionNotKept()
      seeOther(ctx, path)
    },
  })

  const overview = page({
    path: '/account',
    name: 'account.overview',
    access: 'public',
    query: z.object({ done: z.enum(noticeNames).optional().catch(undefined) }),
    handler: async (ctx, { query: { done } }) => {
      const visit = await sessionGuard.enter(ctx)
      if (!visit) return
      const { account } = visit
      views.render(ctx, 'account/overview', {
        ...frameOf(visit, 'overview'),
        isEmailVerified: account.isEmailVerified,
        ...(done && { done }),
      })
    },
  })

  return [back, overview]
}
