/** The account's data: the latest events, the export as a file, and the deletion. */
import { z } from 'zod'
import type { Visit } from '../access/access.ts'
import type { RenewCookies } from '../authentication/account-reset-types.ts'
import { atMinute } from '../clock.ts'
import type { FrameOf } from '../http/account-pages.ts'
import { withFieldProblems } from '../http/field-problems.ts'
import type { FieldProblems } from '../http/page-parts.ts'
import type { Route } from '../http/route.ts'
import { api, form, page, seeOther } from '../http/route.ts'
import type { Views } from '../http/views.ts'
import type { DataExport } from './data-export.ts'
import type { AccountDeletion } from './deletion.ts'
import type { CallerOf } from './frame.ts'

type Deps = {
  frameOf: FrameOf
  callerOf: CallerOf
  renewCookies: RenewCookies
  dataExport: DataExport
  accountDeletion: AccountDeletion
  graceDays: () => number
  views: Views
}

export function dataRoutes(deps: Deps): readonly Route[] {
  const { frameOf, callerOf, dataExport, accountDeletion, views } = deps

  const events = page({
    path: '/account/events',
    name: 'account.events',
    access: { session: 'any' },
    handler: async (ctx, { visit }) => {
      const found = await dataExport.events(visit.account.id)
      views.render(ctx, 'account/events', {
        ...frameOf(visit, 'events'),
        events: found.map(({ at, ...event }) => ({ ...event, at: atMinute(at) })),
      })
    },
  })

  const download = api({
    method: 'GET',
    path: '/account/data/download',
    name: 'account.download',
    access: { session: 'recent+factor' },
    handler: async (ctx, { visit }) => {
      const data = await dataExport.exportAll(visit.account, visit.session.uid)
      ctx.set('Content-Disposition', 'attachment; filename="latchkey-account.json"')
      ctx.type = 'json'
      ctx.body = JSON.stringify(data, undefined, 2)
    },
  })

  const localsOf = (visit: Visit, problems: FieldProblems = {}) => ({
    ...frameOf(visit, 'data'),
    problems,
    graceDays: deps.graceDays(),
    email: visit.account.email,
    needsPassword: !visit.amr.includes('mfa'),
  })

  const show = page({
    path: '/account/data',
    name: 'account.data',
    access: { session: 'recent+factor' },
    handler: async (ctx, { visit }) => {
      views.render(ctx, 'account/data', localsOf(visit))
    },
  })

  const requestDeletion = form({
    path: '/account/data/delete',
    name: 'account.request_deletion',
    access: { session: 'recent+factor' },
    limit: { policy: 'account' },
    body: {
      schema: z.strictObject({ currentPassword: z.string().max(4000).default(''), sure: z.literal('yes').optional() }),
    },
    handler: async (ctx, { visit, body }) => {
      if (body.sure === undefined) {
        views.render(ctx, 'account/data', localsOf(visit, { sure: { code: 'not_sure' } }))
        ctx.status = 400
        return
      }
      const isRequested = await withFieldProblems(
        ctx,
        async () => {
          deps.renewCookies(ctx, await accountDeletion.request(callerOf(ctx, visit, body.currentPassword)))
        },
        (problems) => views.render(ctx, 'account/data', localsOf(visit, problems)),
      )
      if (!isRequested) return
      seeOther(ctx, '/account')
    },
  })

  const cancelDeletion = form({
    path: '/account/keep',
    name: 'account.cancel_deletion',
    access: { session: 'any' },
    limit: { policy: 'account' },
    body: { schema: z.strictObject({}) },
    handler: async (ctx, { visit }) => {
      await accountDeletion.cancel(visit.account.id, visit.session.generation, visit.origin)
      seeOther(ctx, '/account?done=kept')
    },
  })

  return [events, download, show, requestDeletion, cancelDeletion]
}
