/** The return from the login, and the overview of the account. */
import { z } from 'zod'
import type { FrameOf } from '../http/account-pages.ts'
import type { Route } from '../http/route.ts'
import { page, seeOther } from '../http/route.ts'
import type { Views } from '../http/views.ts'
import { sessionNotKept } from './errors.ts'
import type { SessionGuard } from './session-guard.ts'

type Deps = { sessionGuard: Pick<SessionGuard, 'pageAfter'>; frameOf: FrameOf; views: Views }

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
  const callback = page({
    path: '/account/return',
    name: 'account.return',
    access: { public: 'the login returns here; the page to which it leads checks the session' },
    // The authorization response (RFC 6749 §4.1.2, §4.1.2.1).
    query: z.object({ state: z.string().max(200).optional(), error: z.string().max(200).optional() }),
    handler: async (ctx, { query: { state, error } }) => {
      // A cancelled login leads to no page of the account.
      if (error !== undefined) return seeOther(ctx, '/')
      const path = await sessionGuard.pageAfter(ctx, state)
      if (path === undefined) throw sessionNotKept()
      seeOther(ctx, path)
    },
  })

  const overview = page({
    path: '/account',
    name: 'account.overview',
    access: { session: 'any' },
    query: z.object({ done: z.enum(noticeNames).optional().catch(undefined) }),
    handler: async (ctx, { visit, query: { done } }) => {
      const { account } = visit
      views.render(ctx, 'account/overview', {
        ...frameOf(visit, 'overview'),
        isEmailVerified: account.isEmailVerified,
        ...(done && { done }),
      })
    },
  })

  return [callback, overview]
}
