/** The user's profile. */
import { z } from 'zod'
import type { Account } from '../accounts/account.ts'
import { listEditableFields } from '../accounts/fields.ts'
import type { FrameOf } from '../http/account-pages.ts'
import { withFieldProblems } from '../http/field-problems.ts'
import type { FieldProblems } from '../http/page-parts.ts'
import type { Route } from '../http/route.ts'
import { form, page, seeOther } from '../http/route.ts'
import type { Views } from '../http/views.ts'
import type { ProfileChanges } from './profile.ts'

type Deps = { frameOf: FrameOf; views: Views; profile: ProfileChanges }

const path = '/account/profile'
const inputs = listEditableFields()
const text = z.string().max(2000)
// Any other field is an error, so a user cannot change it.
const fields = z.strictObject(Object.fromEntries(listEditableFields().map(({ claim }) => [claim, text])))

const valuesOf = (account: Account): Record<string, string> =>
  Object.fromEntries(listEditableFields().map(({ name, claim }) => [claim, String(account[name] ?? '')]))

export function profileRoutes({ frameOf, views, profile }: Deps): readonly Route[] {
  const show = page({
    path,
    name: 'account.profile',
    access: { session: 'any' },
    handler: async (ctx, { visit }) => {
      const values = valuesOf(visit.account)
      views.render(ctx, 'account/profile', { ...frameOf(visit, 'profile'), fields: inputs, values, problems: {} })
    },
  })

  const save = form({
    path,
    name: 'account.save_profile',
    access: { session: 'any' },
    limit: { policy: 'account' },
    body: { schema: fields },
    handler: async (ctx, { visit, body }) => {
      const showForm = (problems: FieldProblems) =>
        views.render(ctx, 'account/profile', { ...frameOf(visit, 'profile'), fields: inputs, values: body, problems })
      const isSaved = await withFieldProblems(ctx, () => profile.change(visit.account, body, visit.origin), showForm)
      if (!isSaved) return
      seeOther(ctx, '/account?done=profile')
    },
  })

  return [show, save]
}
