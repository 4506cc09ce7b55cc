/**
 * The password and the email address. Each change needs a login in the last five minutes, and the
 * password or a second factor.
 */
import { z } from 'zod'
import type { Visit } from '../access/access.ts'
import type { RenewCookies } from '../authentication/account-reset-types.ts'
import type { FrameOf } from '../http/account-pages.ts'
import { withFieldProblems } from '../http/field-problems.ts'
import type { FieldProblems } from '../http/page-parts.ts'
import type { Route } from '../http/route.ts'
import { form, page, seeOther } from '../http/route.ts'
import type { Views } from '../http/views.ts'
import type { CallerOf } from './frame.ts'
import type { AccountChanges } from './service.ts'

type Deps = {
  frameOf: FrameOf
  callerOf: CallerOf
  changes: AccountChanges
  renewCookies: RenewCookies
  views: Views
}

const password = z.string().max(4000)

export function securityRoutes(deps: Deps): readonly Route[] {
  const { frameOf, callerOf, changes, views } = deps
  const needsPassword = ({ amr }: Visit) => !amr.includes('mfa')

  const showPassword = page({
    path: '/account/password',
    name: 'account.password',
    access: { session: 'recent+factor' },
    handler: async (ctx, { visit }) => {
      views.render(ctx, 'account/password', passwordPage(visit))
    },
  })

  const passwordPage = (visit: Visit, problems: FieldProblems = {}) => ({
    ...frameOf(visit, 'password'),
    email: visit.account.email,
    problems,
    needsPassword: needsPassword(visit),
  })

  const changePassword = form({
    path: '/account/password',
    name: 'account.change_password',
    access: { session: 'recent+factor' },
    limit: { policy: 'account' },
    body: { schema: z.strictObject({ currentPassword: password.default(''), password }) },
    handler: async (ctx, { visit, body }) => {
      const isChanged = await withFieldProblems(
        ctx,
        async () => {
          const caller = callerOf(ctx, visit, body.currentPassword)
          deps.renewCookies(ctx, await changes.changePassword({ ...caller, newPassword: body.password }))
        },
        (problems) => views.render(ctx, 'account/password', passwordPage(visit, problems)),
      )
      if (!isChanged) return
      seeOther(ctx, '/account?done=password')
    },
  })

  const emailPage = (visit: Visit, email = '', problems: FieldProblems = {}) => ({
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
    access: { session: 'recent+factor' },
    handler: async (ctx, { visit }) => {
      views.render(ctx, 'account/email', emailPage(visit))
    },
  })

  const changeEmail = form({
    path: '/account/email',
    name: 'account.change_email',
    access: { session: 'recent+factor' },
    limit: { policy: 'account' },
    body: { schema: z.strictObject({ currentPassword: password.default(''), email: z.string().max(320) }) },
    handler: async (ctx, { visit, body }) => {
      const isRequested = await withFieldProblems(
        ctx,
        () => {
          const caller = callerOf(ctx, visit, body.currentPassword)
          return changes.requestEmailChange({ ...caller, newEmail: body.email })
        },
        (problems) => views.render(ctx, 'account/email', emailPage(visit, body.email, problems)),
      )
      if (!isRequested) return
      seeOther(ctx, '/account?done=email')
    },
  })

  return [showPassword, changePassword, showEmail, changeEmail]
}
