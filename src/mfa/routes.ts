/** The second step of a login: proving a factor, or setting one up when one is required. */
import type { Context } from 'koa'
import { z } from 'zod'
import type { Account } from '../accounts/account.ts'
import type { Interaction, Interactions } from '../authentication/interaction.ts'
import { AppError } from '../errors.ts'
import { withFieldProblems } from '../http/field-problems.ts'
import type { FactorView, FieldProblems } from '../http/page-parts.ts'
import type { Route } from '../http/route.ts'
import { form } from '../http/route.ts'
import type { Views } from '../http/views.ts'
import type { FinishLogin } from '../login/finish.ts'
import { originOf } from '../origin.ts'
import { factorNotAsked } from './errors.ts'
import type { MfaMethod } from './methods/index.ts'
import type { Proof } from './proof.ts'
import type { RememberedCookie } from './remembered-cookie.ts'
import type { Factors } from './service.ts'
import type { Step, StepRequest } from './step.ts'
import type { LoginSteps } from './steps.ts'

type Deps = {
  interactions: Interactions
  steps: LoginSteps
  factors: Factors
  remembered: RememberedCookie
  finishLogin: FinishLogin
  views: Views
  methods: readonly MfaMethod[]
  /** Whether the user of the account may request a reset of its factors by email. */
  offersReset: (account: Account) => boolean
}

const params = z.strictObject({ uid: z.string().regex(/^[\w-]{10,64}$/) })
const at = (uid: string, step = ''): string => `/interaction/${uid}${step}`

/** Removes the fields that only the forms of other factors send. */
const valuesOf = (given: Readonly<Record<string, string | undefined>>): Record<string, string> =>
  Object.fromEntries(Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== undefined))

/** The fields of all factors: one path accepts every answer, and each form sends its own fields. */
function fieldsOfAnswers(methods: readonly MfaMethod[]) {
  const checks = Map.groupBy(
    methods.flatMap(({ answer }) => Object.entries(answer)),
    ([field]) => field,
  )
  return Object.fromEntries(
    [...checks].map(([field, found]) => [field, z.union(found.map(([, check]) => check)).optional()] as const),
  )
}

export function createFactorPages(deps: Deps) {
  const { interactions, steps, factors, remembered, finishLogin, views, methods } = deps
  const enrolling = methods.flatMap(({ enrolment, ...method }) => (enrolment ? [{ ...method, enrolment }] : []))
  const stepRequestOf = ({ uid, clientId, demand, currentLogin }: Interaction): StepRequest => ({
    uid,
    clientId,
    demand,
    currentLogin,
  })
  const loginContextOf = (ctx: Context) => ({ rememberedToken: remembered.read(ctx), origin: originOf(ctx) })

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
    const action = at(interaction.uid, '/factor')
    const forms: FactorView[] = []
    for (const id of step.methods) {
      const method = methods.find((one) => one.id === id)
      const data = (await method?.describeProof?.(step.account.id, interaction.uid)) ?? {}
      forms.push({ id, action, scripts: method?.scripts ?? [], data })
    }
    views.render(ctx, 'factor', {
      ...frameOf(interaction, step.account),
      forms,
      disabled: step.disabled,
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
    { account, level, methods: fit }: Extract<Step, { kind: 'enrol' }>,
    refused?: { id: string; form: Readonly<Record<string, string>>; problems: FieldProblems },
  ): Promise<void> {
    const forms: FactorView[] = []
    for (const { id, scripts, enrolment } of enrolling.filter(({ id }) => fit.includes(id))) {
      const refusedForm = refused?.id === id ? refused.form : undefined
      const data = await factors.offer(id, account, interaction.uid, refusedForm)
      forms.push({ id, action: at(interaction.uid, `/${enrolment.paths.signIn}`), scripts, data })
    }
    views.render(ctx, 'factor-enrol', {
      ...frameOf(interaction, account),
      level,
      // Forms without scripts come first, because every browser can show them.
      forms: forms.sort((left, right) => left.scripts.length - right.scripts.length),
      problems: refused?.problems ?? {},
    })
  }

  /** Finishes the login, or redirects the browser to the page of the next step. */
  async function showStep(ctx: Context, interaction: Interaction, step: Step): Promise<void> {
    if (step.kind !== 'done') return ctx.redirect(at(interaction.uid))
    await finishLogin(ctx, interaction, step)
    // Last, so that a repeated request finds either the proofs or the answer.
    await steps.clear(interaction.uid)
  }

  const prove = form({
    path: '/interaction/:uid/factor',
    name: 'factor.prove',
    access: 'public',
    limit: { policy: 'interaction', by: ({ params }) => params.uid },
    params,
    body: {
      schema: z.strictObject({
        ...fieldsOfAnswers(methods),
        method: z.enum(methods.map(({ id }) => id)),
        remember: z.literal('yes').optional(),
      }),
    },
    handler: async (ctx, { params: { uid }, body: { method, remember, ...answer } }) => {
      const interaction = await interactions.load(ctx, uid)
      const request = stepRequestOf(interaction)
      const before = await steps.resume(request, loginContextOf(ctx))
      const step = await steps
        .prove(request, method, valuesOf(answer), loginContextOf(ctx))
        .catch(async (error: unknown) => {
          if (!(error instanceof AppError)) throw error
          // After a double click, the first request may have finished the login.
          const url = error.code === 'factor_not_asked' && (await interactions.load(ctx, uid)).answeredUrl
          if (url) return void views.render(ctx, 'continue', { url })
          // The login ends here. More attempts need the password again.
          if (error.code === 'factor_tries_used') {
            await steps.clear(uid)
            await interactions.abandon(ctx, uid)
          }
          const isShownAgain = ['factor_refused', 'factor_locked', 'factor_off'].includes(error.code)
          // This answer may have changed the list of available methods.
          const now = isShownAgain ? await steps.resume(request, loginContextOf(ctx)) : undefined
          if (now?.kind !== 'factor') throw error
          await showFactor(ctx, interaction, now, error)
        })
      if (!step) return
      if (remember && before?.kind === 'factor' && before.mayRemember) {
        const browser = await steps.remember(before.account, { clientId: interaction.clientId, origin: originOf(ctx) })
        if (browser) remembered.write(ctx, browser.token, browser.lifetimeMs)
      }
      await showStep(ctx, interaction, step)
    },
  })

  const enrolRoute = ({ id, enrolment }: (typeof enrolling)[number]) =>
    form({
      path: `/interaction/:uid/${enrolment.paths.signIn}`,
      name: `factor.enrol_${id}_at_login`,
      access: 'public',
      limit: { policy: 'interaction', by: ({ params }) => params.uid },
      params,
      body: { schema: z.strictObject(enrolment.fields) },
      handler: async (ctx, { params: { uid }, body }) => {
        const interaction = await interactions.load(ctx, uid)
        const request = stepRequestOf(interaction)
        const step = await steps.resume(request, loginContextOf(ctx))
        if (step?.kind !== 'enrol' || !step.methods.includes(id)) throw factorNotAsked()
        const { id: accountId, generation } = step.account
        const by = { actor: { type: 'account', id: accountId }, origin: originOf(ctx) } as const
        const caller = { accountId, generation, by }
        let codes: string[] | undefined
        let wrong: FieldProblems = {}
        const isAdded = await withFieldProblems(
          ctx,
          async () => {
            codes = await factors.add(caller, id, uid, body)
          },
          (problems) => {
            wrong = problems
          },
        )
        if (!isAdded) return showEnrol(ctx, interaction, step, { id, form: body, problems: wrong })
        await steps.enrolled(request, id)
        views.render(ctx, 'recovery-codes', { codes: codes ?? [], action: at(uid, '/enrolled') })
      },
    })

  // The page shows the recovery codes until this form is submitted.
  const continueEnrolled = form({
    path: '/interaction/:uid/enrolled',
    name: 'factor.enrolled_at_login',
    access: 'public',
    limit: { policy: 'interaction', by: ({ params }) => params.uid },
    params,
    body: { schema: z.strictObject({}) },
    handler: async (ctx, { params: { uid } }) => {
      const interaction = await interactions.load(ctx, uid)
      const step = await steps.resume(stepRequestOf(interaction), loginContextOf(ctx))
      if (!step) throw factorNotAsked()
      await showStep(ctx, interaction, step)
    },
  })

  return {
    /** Shows the current step of the login. Returns whether the login has begun. */
    show: async (ctx: Context, interaction: Interaction): Promise<boolean> => {
      const step = await steps.resume(stepRequestOf(interaction), loginContextOf(ctx))
      if (step?.kind === 'factor') await showFactor(ctx, interaction, step)
      else if (step?.kind === 'enrol') await showEnrol(ctx, interaction, step)
      // The user left the page with the recovery codes. Everything is proven: one button continues.
      else if (step) views.render(ctx, 'recovery-codes', { codes: [], action: at(interaction.uid, '/enrolled') })
      return step !== undefined
    },

    /** The current step of the login. Changes nothing. */
    stepOf: (ctx: Context, interaction: Interaction): Promise<Step | undefined> =>
      steps.resume(stepRequestOf(interaction), loginContextOf(ctx)),

    /** Records the first proof, then shows the next step or finishes the login. */
    begin: async (ctx: Context, interaction: Interaction, account: Account, proof: Proof): Promise<void> =>
      showStep(ctx, interaction, await steps.begin(stepRequestOf(interaction), account, proof, loginContextOf(ctx))),

    routes: [prove, ...enrolling.map(enrolRoute), continueEnrolled] as readonly Route[],
  }
}
