/** The pages of an interaction until the user is known: sign in, choose an account, or cancel. */
import type { Context } from 'koa'
import { z } from 'zod'
import type { Account, Accounts } from '../accounts/service.ts'
import type { Interaction, Interactions } from '../authentication/interaction.ts'
import type { Tx } from '../database/database.ts'
import { AppError } from '../errors.ts'
import type { Route } from '../http/route.ts'
import { form, page } from '../http/route.ts'
import type { Views } from '../http/views.ts'
import type { RequestOrigin } from '../origin.ts'
import { originOf } from '../origin.ts'
import type { Login } from './service.ts'

type Deps = {
  interactions: Interactions
  login: Login
  accounts: Pick<Accounts, 'findById'>
  views: Views
  /** Shows the current step of a login. Returns whether one has begun. */
  showStep: (ctx: Context, interaction: Interaction) => Promise<boolean>
  /** After the first proof: shows the second factor, or finishes the login. */
  beginSteps: (ctx: Context, interaction: Interaction, account: Account, proof: 'password' | 'passkey') => Promise<void>
  /** Deletes the proofs of the interaction. */
  clearSteps: (uid: string) => Promise<void>
  /** Shows the consent page of an interaction. */
  showConsent: (ctx: Context, interaction: Interaction) => Promise<void>
  /** Records that the user cancelled, if `decide` says that it is the first answer. */
  noteRefusal: (
    answer: { accountId: string; clientId: string; origin: RequestOrigin },
    decide: (tx: Tx) => Promise<boolean>,
  ) => Promise<void>
  /** Other options of the login page. */
  /** The options for a passkey sign-in in this interaction. */
  passkeyOptions: (interaction: string) => Promise<object>
  /** Whether the next attempt needs a CAPTCHA, and a new one for this interaction. */
  needsCaptcha: (error: unknown) => boolean
  createCaptcha: (interaction: string) => Promise<object>
  /** The token in the cookie of a browser that signed in before. */
  browserToken: (ctx: Context) => string | undefined
  /** The key of an attempt's counter: the typed email, or the known browser of its account. */
  countedAs: (email: string, browserToken: string | undefined) => Promise<string>
  offers: () => { registration: boolean; recovery: boolean }
}

const longestEmail = 320
/** As long as the body, because the policy has a better message than this field. */
const longestPasswordField = 56 * 1024
const longestSolution = 4000
/** Errors that another password does not change. */
const withoutPassword = ['sign_in_locked', 'too_many_failures', 'password_off']
const longestPasskeyAnswer = 16_000

const uidParams = z.strictObject({ uid: z.string().regex(/^[\w-]{10,64}$/) })
const credentials = z.strictObject({
  email: z.string().max(longestEmail),
  password: z.string().max(longestPasswordField),
  captcha: z.string().max(longestSolution).optional(),
})

const interactionPath = '/interaction/:uid'
const at = (uid: string, step = ''): string => `/interaction/${uid}${step}`

export function loginRoutes(deps: Deps): readonly Route[] {
  const { interactions, login, accounts, views } = deps

  async function showLogin(ctx: Context, interaction: Interaction, email: string, error?: AppError): Promise<void> {
    ctx.status = error?.status ?? 200
    if (error?.retryAfterSeconds) ctx.set('Retry-After', String(Math.ceil(error.retryAfterSeconds)))
    const { registration, recovery } = deps.offers()
    views.render(ctx, 'login', {
      ...(registration && { registerUrl: at(interaction.uid, '/register') }),
      ...(recovery && { recoverUrl: at(interaction.uid, '/recover') }),
      ...(deps.needsCaptcha(error) && { captcha: JSON.stringify(await deps.createCaptcha(interaction.uid)) }),
      passkey: {
        action: at(interaction.uid, '/passkey'),
        options: JSON.stringify(await deps.passkeyOptions(interaction.uid)),
      },
      client: interaction.client,
      action: at(interaction.uid, '/login'),
      cancelAction: at(interaction.uid, '/cancel'),
      email,
      error: error?.code,
      errorParams: error?.params,
    })
    ctx.status = error?.status ?? 200
  }

  /** Passwords are not checked now. The page explains it and shows other ways to sign in. */
  async function showLocked(ctx: Context, { uid, client }: Interaction, error: AppError): Promise<void> {
    views.render(ctx, 'locked', {
      client,
      error: error.code,
      signInUrl: at(uid),
      cancelAction: at(uid, '/cancel'),
      ...(deps.offers().recovery && { recoverUrl: at(uid, '/recover') }),
      passkey: { action: at(uid, '/passkey'), options: JSON.stringify(await deps.passkeyOptions(uid)) },
    })
    if (error.retryAfterSeconds) ctx.set('Retry-After', String(Math.ceil(error.retryAfterSeconds)))
    ctx.status = error.status
  }

  async function showAccounts(ctx: Context, interaction: Interaction, accountId: string): Promise<void> {
    const account = await accounts.findById(accountId)
    views.render(ctx, 'select-account', {
      client: interaction.client,
      account: { email: account?.email ?? '', name: account?.name },
      action: at(interaction.uid, '/account'),
      switchAction: at(interaction.uid, '/switch'),
      cancelAction: at(interaction.uid, '/cancel'),
    })
  }

  const showContinue = (ctx: Context, url: string): void => {
    views.render(ctx, 'continue', { url })
  }

  const show = page({
    path: interactionPath,
    name: 'interaction.show',
    access: 'public',
    params: uidParams,
    handler: async (ctx, { params }) => {
      const interaction = await interactions.load(ctx, params.uid)
      const { accountId, prompt } = interaction
      if (prompt === 'login' || accountId === undefined) {
        if (await deps.showStep(ctx, interaction)) return
        const hint = interaction.params.login_hint
        return showLogin(ctx, interaction, typeof hint === 'string' ? hint.slice(0, longestEmail) : '')
      }
      if (prompt === 'select_account') return showAccounts(ctx, interaction, accountId)
      return deps.showConsent(ctx, interaction)
    },
  })

  const signIn = form({
    path: `${interactionPath}/login`,
    name: 'login.submit',
    access: 'public',
    // A known browser has its own counter, so that a stranger's attempts do not lock the user out.
    limit: { policy: 'login', by: ({ body }, ctx) => deps.countedAs(body.email, deps.browserToken(ctx)) },
    params: uidParams,
    body: { schema: credentials },
    handler: async (ctx, { params, body }) => {
      const interaction = await interactions.load(ctx, params.uid)
      const from = { clientId: interaction.clientId, origin: originOf(ctx), browserToken: deps.browserToken(ctx) }
      const account = await login
        .signIn({ ...body, ...from, interactionUid: params.uid })
        .catch(async (error: unknown) => {
          // The page shows the form again with the typed values and the error.
          if (!(error instanceof AppError) || error.code === 'database_unavailable') throw error
          if (withoutPassword.includes(error.code)) return void (await showLocked(ctx, interaction, error))
          await showLogin(ctx, interaction, body.email, error)
        })
      if (!account) return
      await deps.beginSteps(ctx, interaction, account, 'password')
    },
  })

  const signInWithPasskey = form({
    path: `${interactionPath}/passkey`,
    name: 'login.passkey',
    access: 'public',
    limit: { policy: 'interaction', by: ({ params }) => params.uid },
    params: uidParams,
    body: { schema: z.strictObject({ response: z.string().max(longestPasskeyAnswer) }) },
    handler: async (ctx, { params, body }) => {
      const interaction = await interactions.load(ctx, params.uid)
      const attempt = { ...body, clientId: interaction.clientId, origin: originOf(ctx), interactionUid: params.uid }
      const account = await login.signInWithPasskey(attempt).catch(async (error: unknown) => {
        if (!(error instanceof AppError) || error.code === 'database_unavailable') throw error
        await showLogin(ctx, interaction, '', error)
      })
      if (account) await deps.beginSteps(ctx, interaction, account, 'passkey')
    },
  })

  const keepAccount = form({
    path: `${interactionPath}/account`,
    name: 'login.keep_account',
    access: 'public',
    limit: { policy: 'interaction', by: ({ params }) => params.uid },
    params: uidParams,
    body: { schema: z.strictObject({}) },
    handler: async (ctx, { params }) => {
      const interaction = await interactions.loadForAnswer(ctx, params.uid, 'account')
      if ('continueTo' in interaction) return showContinue(ctx, interaction.continueTo)
      showContinue(ctx, await interactions.finish(ctx, { select_account: {} }, 'account'))
    },
  })

  // The session stays until another account signs in. The proofs of this login are deleted.
  const switchAccount = form({
    path: `${interactionPath}/switch`,
    name: 'login.switch',
    access: 'public',
    limit: { policy: 'interaction', by: ({ params }) => params.uid },
    params: uidParams,
    body: { schema: z.strictObject({}) },
    handler: async (ctx, { params }) => {
      const interaction = await interactions.load(ctx, params.uid)
      await deps.clearSteps(params.uid)
      await showLogin(ctx, interaction, '')
    },
  })

  const cancel = form({
    path: `${interactionPath}/cancel`,
    name: 'interaction.cancel',
    access: 'public',
    limit: { policy: 'interaction', by: ({ params }) => params.uid },
    params: uidParams,
    body: { schema: z.strictObject({}) },
    handler: async (ctx, { params }) => {
      const interaction = await interactions.loadForAnswer(ctx, params.uid, 'cancel')
      if ('continueTo' in interaction) return showContinue(ctx, interaction.continueTo)
      const { accountId, clientId, prompt } = interaction
      if (prompt === 'consent' && accountId !== undefined) {
        const decide = (tx: Tx) => interactions.decide(tx, params.uid, 'cancel')
        await deps.noteRefusal({ accountId, clientId, origin: originOf(ctx) }, decide)
      }
      // RFC 6749 §4.1.2.1: the error for the client, in the standard's words.
      const denial = { error: 'access_denied', error_description: 'The resource owner denied the request' }
      showContinue(ctx, await interactions.finish(ctx, denial, 'cancel'))
    },
  })

  return [show, signIn, signInWithPasskey, keepAccount, switchAccount, cancel]
}
