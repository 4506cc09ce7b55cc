/** The second step of a login: proving a factor, or setting one up where there must be one. */
import type { Context } from 'koa'
import { z } from 'zod'
import type { Account } from '../accounts/account.ts'
import { AppError } from '../errors.ts'
import { unlessRefused } from '../http/field-problems.ts'
import type { FieldProblems } from '../http/pages.ts'
import type { Route } from '../http/route.ts'
import { defineRoute } from '../http/route.ts'
import type { Views } from '../http/views.ts'
import type { FinishLogin } from '../login/finish.ts'
import type { Interaction, Interactions } from '../oidc/interaction.ts'
import { factorNotAsked } from './errors.ts'
import type { Passkeys } from './methods/passkey/method.ts'
import type { Proof } from './proof.ts'
import type { RememberedCookie } from './remembered-cookie.ts'
import type { Factors } from './service.ts'
import type { Asked, Step } from './step.ts'
import type { LoginSteps } from './steps.ts'

type Deps = {
  interactions: Interactions
  steps: LoginSteps
  factors: Factors
  remembered: RememberedCookie
  finishLogin: FinishLogin
  views: Views
  passkeys: Pick<Passkeys, 'requestOptions'>
  /** Whether the account's person may ask for a reset of its factors by mail. */
  offersReset: (account: Account) => boolean
}

const params = z.strictObject({ uid: z.string().regex(/^[\w-]{10,64}$/) })
const at = (uid: string, step = ''): string => `/interaction/${uid}${step}`
const code = z.string().max(100)

export function createFactorPages(deps: Deps) {
  const { interactions, steps, factors, remembered, finishLogin, views, passkeys } = deps
  const askedOf = ({ uid, clientId, demand, standing }: Interaction): Asked => ({ uid, clientId, demand, standing })
  const whereOf = (ctx: Context) => ({ rememberedToken: remembered.read(ctx), address: ctx.ip })

  const frameOf = ({ client, uid }: Interaction, { email, name }: { email: string; name?: string }) => ({
    client,
    account: { email, ...(name !== undefined && { name }) },
    cancelAction: at(uid, '/cancel'),
    switchAction: at(uid, '/switch'),
  })

  async function showFactor(
    ctx: Context,
    interaction: Interaction,
    step: Extract<Step, { kind: 'factor' }>,
    error?: AppError,
  ): Promise<void> {
    const usesPasskey = step.methods.includes('passkey')
    const options = usesPasskey && (await passkeys.requestOptions(interaction.uid, step.account.id))
    views.render(ctx, 'factor', {
      ...(options && { passkey: { action: at(interaction.uid, '/factor'), options: JSON.stringify(options) } }),
      ...frameOf(interaction, step.account),
      action: at(interaction.uid, '/factor'),
      methods: step.methods,
      off: step.off,
      mayRemember: step.mayRemember,
      ...(deps.offersReset(step.account) && { resetUrl: at(interaction.uid, '/factor-reset') }),
      ...(error && { error: error.code, errorParams: error.params }),
    })
    if (error?.retryAfterSeconds) ctx.set('Retry-After', String(error.retryAfterSeconds))
    ctx.status = error?.status ?? 200
  }

  async function showEnrol(
    ctx: Context,
    interaction: Interaction,
    { account, level }: Extract<Step, { kind: 'enrol' }>,
    { sealed, problems = {} }: { sealed?: string; problems?: FieldProblems } = {},
  ): Promise<void> {
    const binding = interaction.uid
    const offer =
      sealed === undefined ? factors.offerTotp(account, binding) : factors.offerTotpAgain(account, binding, sealed)
    views.render(ctx, 'factor-enrol', {
      ...frameOf(interaction, account),
      action: at(interaction.uid, '/enrol'),
      passkey: {
        action: at(interaction.uid, '/enrol-passkey'),
        options: JSON.stringify(await factors.passkeyOptions(account, binding)),
      },
      isAppEnough: level !== 'phishing_resistant',
      offer,
      problems,
    })
  }

  /** Ends the login, or shows the next step by sending the browser to where the interaction is shown. */
  async function goOn(ctx: Context, interaction: Interaction, step: Step): Promise<void> {
    if (step.kind !== 'done') return ctx.redirect(at(interaction.uid))
    await steps.clear(interaction.uid)
    await finishLogin(ctx, interaction, step)
  }

  const prove = defineRoute({
    kind: 'form',
    method: 'POST',
    path: '/interaction/:uid/factor',
    name: 'factor.prove',
    permission: 'public',
    csrf: 'token',
    limit: { policy: 'interaction', by: ({ params }) => params.uid },
    params,
    body: {
      schema: z.strictObject({
        method: z.enum(['totp', 'recovery_code', 'passkey']),
        code: code.optional(),
        response: z.string().max(16_000).optional(),
        remember: z.literal('yes').optional(),
      }),
    },
    handler: async (ctx, { params: { uid }, body: { method, code, response, remember } }) => {
      const interaction = await interactions.load(ctx, uid)
      const asked = askedOf(interaction)
      const before = await steps.resume(asked, whereOf(ctx))
      const answer = { ...(code !== undefined && { code }), ...(response !== undefined && { response }) }
      const step = await steps.prove(asked, method, answer, whereOf(ctx)).catch(async (error: unknown) => {
        if (!(error instanceof AppError)) throw error
        // There is no way on from here: who goes on guessing needs the password once more.
        if (error.code === 'factor_tries_used') {
          await steps.clear(uid)
          await interactions.abandon(ctx, uid)
        }
        const isShownAgain = ['factor_refused', 'factor_locked', 'factor_off'].includes(error.code)
        // What is still offered may have changed with this answer.
        const now = isShownAgain ? await steps.resume(asked, whereOf(ctx)) : undefined
        if (now?.kind !== 'factor') throw error
        await showFactor(ctx, interaction, now, error)
      })
      if (!step) return
      if (remember && before?.kind === 'factor' && before.mayRemember) {
        const kept = await steps.remember(before.account)
        if (kept) remembered.write(ctx, kept.token, kept.lifetimeMs)
      }
      await goOn(ctx, interaction, step)
    },
  })

  const enrol = defineRoute({
    kind: 'form',
    method: 'POST',
    path: '/interaction/:uid/enrol',
    name: 'factor.enrol_at_login',
    permission: 'public',
    csrf: 'token',
    limit: { policy: 'interaction', by: ({ params }) => params.uid },
    params,
    body: { schema: z.strictObject({ offer: z.string().max(1000), code }) },
    handler: async (ctx, { params: { uid }, body }) => {
      const interaction = await interactions.load(ctx, uid)
      const asked = askedOf(interaction)
      const step = await steps.resume(asked, whereOf(ctx))
      if (step?.kind !== 'enrol' || step.level === 'phishing_resistant') throw factorNotAsked()
      const caller = { accountId: step.account.id, generation: step.account.generation, address: ctx.ip }
      let codes: string[] | undefined
      let wrong: FieldProblems = {}
      const isAdded = await unlessRefused(
        ctx,
        async () => {
          codes = await factors.addTotp(caller, { binding: uid, sealed: body.offer, code: body.code })
        },
        (problems) => {
          wrong = problems
        },
      )
      if (!isAdded) return showEnrol(ctx, interaction, step, { sealed: body.offer, problems: wrong })
      await steps.enrolled(asked, 'totp')
      views.render(ctx, 'recovery-codes', { codes: codes ?? [], action: at(uid, '/enrolled') })
    },
  })

  const enrolPasskey = defineRoute({
    kind: 'form',
    method: 'POST',
    path: '/interaction/:uid/enrol-passkey',
    name: 'factor.enrol_passkey_at_login',
    permission: 'public',
    csrf: 'token',
    limit: { policy: 'interaction', by: ({ params }) => params.uid },
    params,
    body: { schema: z.strictObject({ response: z.string().max(16_000), name: z.string().max(200) }) },
    handler: async (ctx, { params: { uid }, body }) => {
      const interaction = await interactions.load(ctx, uid)
      const asked = askedOf(interaction)
      const step = await steps.resume(asked, whereOf(ctx))
      if (step?.kind !== 'enrol') throw factorNotAsked()
      const codes = await factors.addPasskey(
        { accountId: step.account.id, generation: step.account.generation, address: ctx.ip },
        { binding: uid, ...body },
      )
      await steps.enrolled(asked, 'passkey')
      views.render(ctx, 'recovery-codes', { codes: codes ?? [], action: at(uid, '/enrolled') })
    },
  })

  // The recovery codes are on the screen until this is pressed.
  const goOnEnrolled = defineRoute({
    kind: 'form',
    method: 'POST',
    path: '/interaction/:uid/enrolled',
    name: 'factor.enrolled_at_login',
    permission: 'public',
    csrf: 'token',
    limit: { policy: 'interaction', by: ({ params }) => params.uid },
    params,
    body: { schema: z.strictObject({}) },
    handler: async (ctx, { params: { uid } }) => {
      const interaction = await interactions.load(ctx, uid)
      const step = await steps.resume(askedOf(interaction), whereOf(ctx))
      if (!step) throw factorNotAsked()
      await goOn(ctx, interaction, step)
    },
  })

  return {
    /** Shows the step at which the login is; gives whether it has begun. */
    show: async (ctx: Context, interaction: Interaction): Promise<boolean> => {
      const step = await steps.resume(askedOf(interaction), whereOf(ctx))
      if (step?.kind === 'factor') await showFactor(ctx, interaction, step)
      else if (step?.kind === 'enrol') await showEnrol(ctx, interaction, step)
      // Everything is proven and nothing answered yet: the page with the recovery codes was left. One press goes on.
      else if (step) views.render(ctx, 'recovery-codes', { codes: [], action: at(interaction.uid, '/enrolled') })
      return step !== undefined
    },

    /** The step at which the login is; nothing changes. */
    stepOf: (ctx: Context, interaction: Interaction): Promise<Step | undefined> =>
      steps.resume(askedOf(interaction), whereOf(ctx)),

    /** The first proof is given: on to the next step, or to the end. */
    begin: async (ctx: Context, interaction: Interaction, account: Account, proof: Proof): Promise<void> =>
      goOn(ctx, interaction, await steps.begin(askedOf(interaction), account, proof, whereOf(ctx))),

    routes: [prove, enrol, enrolPasskey, goOnEnrolled] as readonly Route[],
  }
}
