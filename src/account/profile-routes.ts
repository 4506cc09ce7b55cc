/** What a person says of themselves. */
import { z } from 'zod'
import type { Account } from '../accounts/account.ts'
import { unlessRefused } from '../http/field-problems.ts'
import type { FieldProblems } from '../http/pages.ts'
import type { Route } from '../http/route.ts'
import { form, page, seeOther } from '../http/route.ts'
import type { Views } from '../http/views.ts'
import type { FrameOf } from './frame.ts'
import type { ProfileChanges } from './profile.ts'

type Deps = { frameOf: FrameOf; views: Views; profile: ProfileChanges }

const path = '/account/profile'
const text = z.string().max(2000)
// Every other field is an error: what a person may not say of themselves is not among them.
const fields = z.strictObject({
  name: text,
  given_name: text,
  family_name: text,
  nickname: text,
  birthdate: text,
  zoneinfo: text,
  locale: text,
  website: text,
  phone_number: text,
})

const valuesOf = (account: Account): z.infer<typeof fields> => ({
  name: account.name ?? '',
  given_name: account.givenName ?? '',
  family_name: account.familyName ?? '',
  nickname: account.nickname ?? '',
  birthdate: account.birthdate ?? '',
  zoneinfo: account.zoneinfo ?? '',
  locale: account.locale ?? '',
  website: account.website ?? '',
  phone_number: account.phoneNumber ?? '',
})

export function profileRoutes({ frameOf, views, profile }: Deps): readonly Route[] {
  const show = page({
    path,
    name: 'account.profile',
    access: { session: 'any' },
    handler: async (ctx, { visit }) => {
      const values = valuesOf(visit.account)
      views.render(ctx, 'account/profile', { ...frameOf(visit, 'profile'), values, problems: {} })
    },
  })

  const save = form({
    path,
    name: 'account.save_profile',
    access: { session: 'any' },
    limit: { policy: 'account' },
    body: { schema: fields },
    handler: async (ctx, { visit, body }) => {
      const again = (problems: FieldProblems) =>
        views.render(ctx, 'account/profile', { ...frameOf(visit, 'profile'), values: body, problems })
      const isSaved = await unlessRefused(ctx, () => profile.change(visit.account, body), again)
      if (!isSaved) return
      seeOther(ctx, '/account?done=profile')
    },
  })

  return [show, save]
}
