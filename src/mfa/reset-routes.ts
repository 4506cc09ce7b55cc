/** The pages of a reset of second factors: the request, the emailed link, and the cancellation. */
import type { Context } from 'koa'
import { z } from 'zod'
import type { Interaction, Interactions } from '../authentication/interaction.ts'
import { atMinute } from '../clock.ts'
import type { Route } from '../http/route.ts'
import { form, page, seeOther } from '../http/route.ts'
import type { Views } from '../http/views.ts'
import { originOf } from '../origin.ts'
import { factorNotAsked } from './errors.ts'
import type { FactorResets } from './reset.ts'
import type { EnrolledFactor } from './reset-repository.ts'
import type { Step } from './step.ts'

type Deps = {
  interactions: Pick<Interactions, 'load'>
  /** The current step of a sign-in. */
  stepOf: (ctx: Context, interaction: Interaction) => Promise<Step | undefined>
  resets: FactorResets
  views: Views
}

const params = z.strictObject({ uid: z.string().regex(/^[\w-]{10,64}$/) })
const link = { token: z.string().max(200) }
const inInteraction = '/interaction/:uid/factor-reset'

export function factorResetRoutes({ interactions, stepOf, resets, views }: Deps): readonly Route[] {
  const shown = (factors: readonly EnrolledFactor[]) =>
    factors.map(({ method, addedAt }) => ({ method, since: atMinute(addedAt) }))

  /** Throws `factor_not_asked` when no factor is required or no link can be emailed. */
  async function accountOf(ctx: Context, uid: string) {
    const interaction = await interactions.load(ctx, uid)
    const step = await stepOf(ctx, interaction)
    if (step?.kind !== 'factor' || !resets.isOffered(step.account)) throw factorNotAsked()
    return step.account
  }

  async function showRequest(ctx: Context, uid: string): Promise<void> {
    const account = await accountOf(ctx, uid)
    const { factors, isAllowed, waiting } = await resets.show(account)
    views.render(ctx, 'factor-reset', {
      email: account.email,
      action: `/interaction/${uid}/factor-reset`,
      returnUrl: `/interaction/${uid}`,
      factors: shown(factors),
      isAllowed,
      ...(waiting && { due: atMinute(waiting.dueAt) }),
    })
  }

  const show = page({
    path: inInteraction,
    name: 'factor.reset',
    access: 'public',
    limit: { policy: 'interaction', by: ({ params }) => params.uid },
    params,
    handler: (ctx, { params: { uid } }) => showRequest(ctx, uid),
  })

  const request = form({
    path: inInteraction,
    name: 'factor.request_reset',
    access: 'public',
    limit: { policy: 'interaction', by: ({ params }) => params.uid },
    params,
    body: { schema: z.strictObject({}) },
    handler: async (ctx, { params: { uid } }) => {
      const account = await accountOf(ctx, uid)
      await resets.request({ accountId: account.id, generation: account.generation }, originOf(ctx))
      await showRequest(ctx, uid)
    },
  })

  const open = page({
    path: '/factor-reset',
    name: 'factor.reset_link',
    access: 'public',
    limit: { policy: 'link', by: ({ query }) => query.token },
    query: z.object(link),
    handler: async (ctx, { query: { token } }) => {
      const { factors, isAllowed } = await resets.showLink(token)
      views.render(ctx, 'factor-reset', { action: '/factor-reset', token, factors: shown(factors), isAllowed })
    },
  })

  const execute = form({
    path: '/factor-reset',
    name: 'factor.carry_out_reset',
    access: 'public',
    limit: { policy: 'link', by: ({ body }) => body.token },
    body: { schema: z.strictObject(link) },
    handler: async (ctx, { body }) => {
      await resets.execute(body.token, originOf(ctx))
      views.render(ctx, 'notice', { name: 'factors_reset' })
    },
  })

  const stop = form({
    path: '/account/factors/reset/stop',
    name: 'account.stop_factor_reset',
    access: { session: 'any' },
    limit: { policy: 'account' },
    body: { schema: z.strictObject({}) },
    handler: async (ctx, { visit }) => {
      await resets.stop({ accountId: visit.account.id, generation: visit.session.generation }, visit.origin)
      seeOther(ctx, '/account?done=reset_stopped')
    },
  })

  return [show, request, open, execute, stop]
}
