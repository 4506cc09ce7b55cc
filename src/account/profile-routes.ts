/** What a person says of themselves. */
import { z } from 'zod'
import type { Account } from '../accounts/account.ts'
import { listEditableFields } from '../accounts/fields.ts'
import { unlessRefused } from '../http/field-problems.ts'
import type { FieldProblems } from '../http/pages.ts'
import type { Route } from '../http/route.ts'
import { defineRoute } from '../http/route.ts'
import type { Views } from '../http/views.ts'
import type { Door } from './door.ts'
import type { FrameOf } from './frame.ts'
import type { ProfileChanges } from './profile.ts'

type Deps = { door: Door; frameOf: FrameOf; views: Views; profile: ProfileChanges }

const path = '/account/profile'
const inputs = listEditableFields()
const text = z.string().max(2000)
// Every other field is an error: what a person may not change is not among them.
const fields = z.strictObject(Object.fromEntries(listEditableFields().map(({ claim }) => [claim, text])))

const valuesOf = (account: Account): Record<string, string> =>
  Object.fromEntries(listEditableFields().map(({ name, claim }) => [claim, String(account[name] ?? '')]))

export function profileRoutes({ door, frameOf, views, profile }: Deps): readonly Route[] {
  const show = defineRoute({
    kind: 'page',
    method: 'GET',
    path,
    name: 'account.profile',
    permission: 'public',
    handler: async (ctx) => {
      const visit = await door.enter(ctx)
      if (!visit) return
      const values = valuesOf(visit.account)
      views.render(ctx, 'account/profile', { ...frameOf(visit, 'profile'), fields: inputs, values, problems: {} })
    },
  })

  const save = defineRoute({
    kind: 'form',
    method: 'POST',
    path,
    name: 'account.save_profile',
    permission: 'public',
    csrf: 'token',
    limit: { policy: 'account' },
    body: { schema: fields },
    handler: async (ctx, { body }) => {
      const visit = await door.enter(ctx)
      if (!visit) return
      const again = (problems: FieldProblems) =>
        views.render(ctx, 'account/profile', { ...frameOf(visit, 'profile'), fields: inputs, values: body, problems })
      const isSaved = await unlessRefused(ctx, () => profile.change(visit.account, body), again)
      if (!isSaved) return
      ctx.status = 303
      ctx.redirect('/account?done=profile')
    },
  })

  return [show, save]
}
