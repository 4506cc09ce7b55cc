/** The password and the e-mail address: each wants a login of the last five minutes, and the password or a second factor. */
import { z } from 'zod'
import { unlessRefused } from '../http/field-problems.ts'
import type { FieldProblems } from '../http/pages.ts'
import type { Route } from '../http/route.ts'
import { form, page, seeOther } from '../http/route.ts'
import type { Views } from '../http/views.ts'
import type { CarryOn } from '../revocation/account-end.ts'
import type { AccountVisit, SessionGuard, Wanted } from './session-guard.ts'
import type { CallerOf, FrameOf } from './frame.ts'
import type { AccountChanges } from './service.ts'

type Deps = {
  sessionGuard: SessionGuard
  sensitive: Wanted
  frameOf: FrameOf
  callerOf: CallerOf
  changes: AccountChanges
  carryOn: CarryOn
  views: Views
}

const password = z.string().max(4000)

export function securityRoutes(deps: Deps): readonly Route[] {
  const { sessionGuard, sensitive, frameOf, callerOf, changes, views } = deps
  const needsPassword = ({ amr }: AccountVisit) => !amr.includes('mfa')

  const showPassword = page({
    path: '/account/password',
    name: 'account.password',
    access: 'public',
    handler: async (ctx) => {
      const visit = await sessionGuard.enter(ctx, sensitive)
      if (visit) views.render(ctx, 'account/password', passwordPage(visit))
    },
  })

  const passwordPage = (visit: AccountVisit, problems: FieldProblems = {}) => ({
    ...frameOf(visit, 'password'),
    email: visit.account.email,
    problems,
    needsPassword: needsPassword(visit),
  })

  const changePassword = form({
    path: '/account/password',
    name: 'account.change_password',
    access: 'public',
    limit: { policy: 'account' },
    body: { schema: z.strictObject({ currentPassword: password.default(''), password }) },
    handler: async (ctx, { body }) => {
      const visit = await sessionGuard.enter(ctx, sensitive)
      if (!visit) return
      const isChanged = await unlessRefused(
        ctx,
        async () => {
          const caller = callerOf(ctx, visit, body.currentPassword)
          deps.carryOn(ctx, await changes.changePassword({ ...caller, newPassword: body.password }))
        },
        (problems) => views.render(ctx, 'account/password', passwordPage(visit, problems)),
      )
      if (!isChanged) return
      seeOther(ctx, '/account?done=password')
    },
  })

  const emailPage = (visit: AccountVisit, email = '', problems: FieldProblems = {}) => ({
    ...frameOf(visit, 'email'),
    email,
    problems,
    needsPassword: needsPassword(visit),
    isVerified: visit.account.isEmailVerified,
    autocomplete: 'email',
  })

  const showEmail = page({
    path: '/account/email',
    name: 'account.email',
    access: 'public',
    handler: async (ctx) => {
      const visit = await sessionGuard.enter(ctx, sensitive)
      if (visit) views.render(ctx, 'account/email', emailPage(visit))
    },
  })

  const changeEmail = form({
    path: '/account/email',
    name: 'account.change_email',
    access: 'public',
    limit: { policy: 'account' },
    body: { schema: z.strictObject({ currentPassword: password.default(''), email: z.string().max(320) }) },
    handler: async (ctx, { body }) => {
      const visit = await sessionGuard.enter(ctx, sensitive)
      if (!visit) return
      const isAsked = await unlessRefused(
        ctx,
        () => {
          const caller = callerOf(ctx, visit, body.currentPassword)
          return changes.requestEmailChange({ ...caller, newEmail: body.email })
        },
        (problems) => views.render(ctx, 'account/email', emailPage(visit, body.email, problems)),
      )
      if (!isAsked) return
      seeOther(ctx, '/account?done=email')
    },
  })

  return [showPassword, changePassword, showEmail, changeEmail]
}
