/** The second factors on the account page: each change asks for a login of the last five minutes, with the factor of whoever has one. */
import type { Context } from 'koa'
import { z } from 'zod'
import type { Visit } from '../access/access.ts'
import type { FrameOf } from '../account/frame.ts'
import { atMinute } from '../clock.ts'
import { AppError } from '../errors.ts'
import { unlessRefused } from '../http/field-problems.ts'
import type { Route } from '../http/route.ts'
import { form, page, seeOther } from '../http/route.ts'
import type { Views } from '../http/views.ts'
import type { Factors } from './service.ts'
import type { LoginSteps } from './steps.ts'

type Deps = {
  frameOf: FrameOf
  factors: Factors
  steps: Pick<LoginSteps, 'countRemembered' | 'forgetBrowsers'>
  views: Views
}

const path = '/account/factors'

export function factorAccountRoutes({ frameOf, factors, steps, views }: Deps): readonly Route[] {
  const callerOf = ({ account, session, ip }: Visit) => ({
    accountId: account.id,
    generation: session.generation,
    address: ip,
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
    const { enrolled, totp, passkeys, recoveryCodes, off } = await factors.show(visit.account.id)
    views.render(ctx, 'account/factors', {
      ...frameOf(visit, 'factors'),
      ...(totp && { appSince: atMinute(totp.createdAt) }),
      hasFactor: enrolled.length > 0,
      recoveryCodes,
      mustHave: factors.mustHave(visit.account),
      rememberedBrowsers: await steps.countRemembered(visit.account.id),
      passkeys: passkeys.map(({ id, name, createdAt, lastUsedAt, needsPassword }) => ({
        id,
        name,
        since: atMinute(createdAt),
        lastUsed: lastUsedAt === undefined ? undefined : atMinute(lastUsedAt),
        needsPassword,
      })),
      off,
      passkey: {
        action: `${path}/passkeys`,
        options: JSON.stringify(await factors.passkeyOptions(visit.account, visit.session.uid)),
      },
      ...(error && { error: error.code }),
    })
    ctx.status = error?.status ?? 200
  }

  const addPasskey = form({
    path: `${path}/passkeys`,
    name: 'account.add_passkey',
    access: { session: 'recent+factor' },
    limit: { policy: 'account' },
    body: { schema: z.strictObject({ response: z.string().max(16_000), name: z.string().max(200) }) },
    handler: async (ctx, { visit, body }) => {
      try {
        const codes = await factors.addPasskey(callerOf(visit), { binding: visit.session.uid, ...body })
        if (codes) return views.render(ctx, 'recovery-codes', { codes, backUrl: path })
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== 'passkey_refused') throw error
        return showFactors(ctx, visit, error)
      }
      seeOther(ctx, path)
    },
  })

  const removePasskey = form({
    path: `${path}/passkeys/remove`,
    name: 'account.remove_passkey',
    access: { session: 'recent+factor' },
    limit: { policy: 'account' },
    body: { schema: z.strictObject({ passkey: z.uuid() }) },
    handler: async (ctx, { visit, body }) => {
      await factors.remove(callerOf(visit), 'passkey', body.passkey)
      seeOther(ctx, '/account?done=removed')
    },
  })

  const showApp = page({
    path: `${path}/app`,
    name: 'account.app',
    access: { session: 'recent+factor' },
    handler: async (ctx, { visit }) => {
      const offer = factors.offerTotp(visit.account, visit.session.uid)
      views.render(ctx, 'account/app', { ...frameOf(visit, 'factors'), offer, problems: {} })
    },
  })

  const addApp = form({
    path: `${path}/app`,
    name: 'account.add_app',
    access: { session: 'recent+factor' },
    limit: { policy: 'account' },
    body: { schema: z.strictObject({ offer: z.string().max(1000), code: z.string().max(100) }) },
    handler: async (ctx, { visit, body }) => {
      const { account, session } = visit
      let codes: string[] | undefined
      const isAdded = await unlessRefused(
        ctx,
        async () => {
          const offered = { binding: session.uid, sealed: body.offer, code: body.code }
          codes = await factors.addTotp(callerOf(visit), offered)
        },
        (problems) => {
          const offer = factors.offerTotpAgain(account, session.uid, body.offer)
          views.render(ctx, 'account/app', { ...frameOf(visit, 'factors'), offer, problems })
        },
      )
      if (!isAdded) return
      if (codes) return views.render(ctx, 'recovery-codes', { codes, backUrl: path })
      seeOther(ctx, path)
    },
  })

  const removeApp = form({
    path: `${path}/app/remove`,
    name: 'account.remove_app',
    access: { session: 'recent+factor' },
    limit: { policy: 'account' },
    body: { schema: z.strictObject({}) },
    handler: async (ctx, { visit }) => {
      await factors.remove(callerOf(visit), 'totp')
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
      views.render(ctx, 'recovery-codes', { codes, backUrl: path })
    },
  })

  const switchOn = form({
    path: `${path}/switch-on`,
    name: 'account.switch_factor_on',
    access: { session: 'recent+factor' },
    limit: { policy: 'account' },
    body: { schema: z.strictObject({ method: z.enum(['totp', 'recovery_code']) }) },
    handler: async (ctx, { visit, body }) => {
      await factors.switchOn(callerOf(visit), body.method)
      seeOther(ctx, path)
    },
  })

  const forget = form({
    path: `${path}/forget-browsers`,
    name: 'account.forget_browsers',
    access: { session: 'any' },
    limit: { policy: 'account' },
    body: { schema: z.strictObject({}) },
    handler: async (ctx, { visit }) => {
      await steps.forgetBrowsers(visit.account.id)
      seeOther(ctx, '/account?done=browsers')
    },
  })

  return [show, addPasskey, removePasskey, showApp, addApp, removeApp, renewCodes, switchOn, forget]
}
