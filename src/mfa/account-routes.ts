/**
 * The second factors on the account page. The pages and forms require a recent login with the
 * user's second factor. Only `forget-browsers` accepts any session.
 */
import type { Context } from 'koa'
import { z } from 'zod'
import type { Visit } from '../access/access.ts'
import { AppError } from '../errors.ts'
import type { FrameOf } from '../http/account-pages.ts'
import { withFieldProblems } from '../http/field-problems.ts'
import type { FactorView, FieldProblems } from '../http/page-parts.ts'
import type { Route } from '../http/route.ts'
import { form, page, seeOther } from '../http/route.ts'
import type { Views } from '../http/views.ts'
import type { Enrolment } from './method.ts'
import type { MfaMethod } from './methods/index.ts'
import type { Factors } from './service.ts'
import type { LoginSteps } from './steps.ts'

type EnrolledMethod = MfaMethod & { enrolment: Enrolment }
type Deps = {
  frameOf: FrameOf
  factors: Factors
  methods: readonly MfaMethod[]
  steps: Pick<LoginSteps, 'countRemembered' | 'deleteRememberedBrowsers'>
  views: Views
}

const path = '/account/factors'

export function factorAccountRoutes({ frameOf, factors, methods, steps, views }: Deps): readonly Route[] {
  const callerOf = ({ account: { id }, session, origin }: Visit) => ({
    accountId: id,
    generation: session.generation,
    by: { actor: { type: 'account', id } as const, origin },
  })

  const show = page({
    path,
    name: 'account.factors',
    access: { session: 'recent+factor' },
    handler: async (ctx, { visit }) => {
      await showFactors(ctx, visit)
    },
  })

  async function showFactors(ctx: Context, visit: Visit, error?: AppError): Promise<void> {
    const { enrolled, disabled } = await factors.show(visit.account.id)
    const sections: FactorView[] = []
    for (const { id, enrolment, scripts, describeOwn } of methods) {
      const action = enrolment ? `${path}/${enrolment.paths.account}` : path
      sections.push({ id, action, scripts, data: await describeOwn(visit.account, visit.session.uid) })
    }
    views.render(ctx, 'account/factors', {
      ...frameOf(visit, 'factors'),
      hasFactor: enrolled.length > 0,
      isFactorRequired: factors.requiresFactor(visit.account),
      rememberedBrowsers: await steps.countRemembered(visit.account.id),
      sections,
      disabled,
      ...(error && { error: error.code }),
    })
    ctx.status = error?.status ?? 200
  }

  async function showOffer(
    ctx: Context,
    { account, ...visit }: Visit,
    { id, enrolment, scripts }: EnrolledMethod,
    refused?: { form: Readonly<Record<string, string>>; problems: FieldProblems },
  ): Promise<void> {
    const data = await factors.offer(id, account, visit.session.uid, refused?.form)
    views.render(ctx, 'account/factor', {
      ...frameOf({ account, ...visit }, 'factors'),
      form: { id, action: `${path}/${enrolment.paths.account}`, scripts, data },
      problems: refused?.problems ?? {},
    })
  }

  const pageOf = (method: EnrolledMethod) =>
    page({
      path: `${path}/${method.enrolment.paths.account}`,
      name: `account.show_${method.id}`,
      access: { session: 'recent+factor' },
      handler: async (ctx, { visit }) => {
        await showOffer(ctx, visit, method)
      },
    })

  const addRoute = (method: EnrolledMethod) =>
    form({
      path: `${path}/${method.enrolment.paths.account}`,
      name: `account.add_${method.id}`,
      access: { session: 'recent+factor' },
      limit: { policy: 'account' },
      body: { schema: z.strictObject(method.enrolment.fields) },
      handler: async (ctx, { visit, body }) => {
        const { id, enrolment } = method
        let codes: string[] | undefined
        let wrong: FieldProblems = {}
        try {
          const isAdded = await withFieldProblems(
            ctx,
            async () => {
              codes = await factors.add(callerOf(visit), id, visit.session.uid, body)
            },
            (problems) => {
              wrong = problems
            },
          )
          if (!isAdded) return showOffer(ctx, visit, method, { form: body, problems: wrong })
        } catch (error) {
          if (!(error instanceof AppError) || !enrolment.shownErrors?.includes(error.code)) throw error
          return showFactors(ctx, visit, error)
        }
        if (codes) return views.render(ctx, 'recovery-codes', { codes, returnUrl: path })
        seeOther(ctx, path)
      },
    })

  const removeRoute = ({ id, enrolment: { paths, item } }: EnrolledMethod) =>
    form({
      path: `${path}/${paths.account}/remove`,
      name: `account.remove_${id}`,
      access: { session: 'recent+factor' },
      limit: { policy: 'account' },
      body: { schema: z.strictObject(item === undefined ? {} : { [item]: z.uuid() }) },
      handler: async (ctx, { visit, body }) => {
        await factors.remove(callerOf(visit), id, item === undefined ? undefined : body[item])
        seeOther(ctx, '/account?done=removed')
      },
    })

  const renewCodes = form({
    path: `${path}/codes`,
    name: 'account.renew_codes',
    access: { session: 'recent+factor' },
    limit: { policy: 'account' },
    body: { schema: z.strictObject({}) },
    handler: async (ctx, { visit }) => {
      const codes = await factors.renewCodes(callerOf(visit))
      views.render(ctx, 'recovery-codes', { codes, returnUrl: path })
    },
  })

  const enableMethod = form({
    path: `${path}/switch-on`,
    name: 'account.switch_factor_on',
    access: { session: 'recent+factor' },
    limit: { policy: 'account' },
    body: {
      schema: z.strictObject({ method: z.enum(methods.filter(({ isCounted }) => isCounted).map(({ id }) => id)) }),
    },
    handler: async (ctx, { visit, body }) => {
      await factors.enableMethod(callerOf(visit), body.method)
      seeOther(ctx, path)
    },
  })

  const clear = form({
    path: `${path}/forget-browsers`,
    name: 'account.forget_browsers',
    access: { session: 'any' },
    limit: { policy: 'account' },
    body: { schema: z.strictObject({}) },
    handler: async (ctx, { visit }) => {
      await steps.deleteRememberedBrowsers(visit.account.id, visit.origin)
      seeOther(ctx, '/account?done=browsers')
    },
  })

  const enrolled = methods.filter((method): method is EnrolledMethod => method.enrolment !== undefined)
  return [
    show,
    ...enrolled.flatMap((method) => [
      ...(method.enrolment.hasPage ? [pageOf(method)] : []),
      addRoute(method),
      removeRoute(method),
    ]),
    renewCodes,
    enableMethod,
    clear,
  ]
}
