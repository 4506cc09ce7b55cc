/** The pages of registration: the form, with or without an interaction, and the emailed links. */
import type { Context } from 'koa'
import { z } from 'zod'
import type { Interactions } from '../authentication/interaction.ts'
import { withFieldProblems } from '../http/field-problems.ts'
import type { FieldProblems } from '../http/page-parts.ts'
import type { Route } from '../http/route.ts'
import { form, page } from '../http/route.ts'
import type { Views } from '../http/views.ts'
import { originOf } from '../origin.ts'
import type { RegistrationCookie } from './browser-cookie.ts'
import type { Proof, Registration } from './service.ts'

type Deps = {
  registration: Registration
  interactions: Pick<Interactions, 'load'>
  views: Views
  cookie: RegistrationCookie
  /** Counts a registration by the typed email. */
  countRegistration: (ctx: Context, email: string) => Promise<void>
}

/** As long as the body: the policy has a better message. */
const longestPasswordField = 56 * 1024
const uid = z.string().regex(/^[\w-]{10,64}$/)
const text = (longest: number) => z.string().max(longest)
const applicant = z.strictObject({ email: text(320), name: text(400), password: text(longestPasswordField) })
const linkQuery = z.object({ token: text(200), go: uid.optional() })
const linkFields = { token: text(200), go: uid.optional() }
const begun = z.strictObject({ ...linkFields, name: text(400), password: text(longestPasswordField) })

const signInUrl = (interactionUid: string): string => `/interaction/${interactionUid}`
const returnParams = (interactionUid: string | undefined) => (interactionUid === undefined ? {} : { interactionUid })

export function registrationRoutes(deps: Deps): readonly Route[] {
  const { registration, interactions, views } = deps

  const browserContext = (ctx: Context) => ({ browser: deps.cookie.read(ctx), origin: originOf(ctx) })

  async function showForm(
    ctx: Context,
    interactionUid: string | undefined,
    { email, name }: { email: string; name: string },
    problems: FieldProblems = {},
  ): Promise<void> {
    registration.refuseUnlessOpen()
    const interaction = interactionUid === undefined ? undefined : await interactions.load(ctx, interactionUid)
    views.render(ctx, 'register', {
      ...(interaction &&
        interactionUid !== undefined && { client: interaction.client, signInUrl: signInUrl(interactionUid) }),
      action: interactionUid === undefined ? '/register' : `${signInUrl(interactionUid)}/register`,
      email,
      name,
      problems,
    })
  }

  async function register(
    ctx: Context,
    interactionUid: string | undefined,
    fields: z.infer<typeof applicant>,
  ): Promise<void> {
    let problems: FieldProblems = {}
    const isTaken = await withFieldProblems(
      ctx,
      async () => {
        if (interactionUid !== undefined) await interactions.load(ctx, interactionUid)
        const admit = () => deps.countRegistration(ctx, fields.email)
        const browser = deps.cookie.begin(ctx, registration.normaliseEmail(fields.email))
        await registration.register(
          { ...fields, interactionUid },
          { browser: browser.digest, origin: originOf(ctx) },
          admit,
        )
        browser.keep()
      },
      (found) => {
        problems = found
      },
    )
    if (!isTaken) {
      const { status } = ctx
      await showForm(ctx, interactionUid, fields, problems)
      ctx.status = status
      return
    }
    const returnUrl = interactionUid === undefined ? {} : { returnUrl: signInUrl(interactionUid) }
    views.render(ctx, 'notice', { name: 'registered', email: registration.showEmail(fields.email), ...returnUrl })
  }

  /**
   * Links back to the interaction of the registration, if this is its browser. An expired
   * interaction shows its own error.
   */
  const showVerified = (ctx: Context, interactionUid: string | undefined): void =>
    views.render(ctx, 'notice', {
      name: 'verified',
      ...(interactionUid !== undefined && { returnUrl: signInUrl(interactionUid) }),
    })

  function showProof(
    ctx: Context,
    { kind, email, name }: Proof,
    { token, go: interactionUid }: { token: string; go?: string },
    {
      problems = {},
      startOverProblems = {},
      typedName,
    }: { problems?: FieldProblems; startOverProblems?: FieldProblems; typedName?: string } = {},
  ): void {
    const common = { token, email, ...returnParams(interactionUid) }
    if (kind === 'confirm') {
      views.render(ctx, 'link', { kind: 'verify', action: '/verify', ...common })
    } else if (kind === 'invited') {
      const shownName = typedName ?? name ?? ''
      const locals = { kind, action: '/invitation', name: shownName, problems, ...common }
      views.render(ctx, 'link-password', locals)
    } else {
      views.render(ctx, 'link-prove', {
        action: '/verify/password',
        startOverAction: '/verify/anew',
        problems,
        startOverProblems,
        ...common,
        // Never the stored name: another person may have chosen it.
        name: typedName ?? '',
      })
    }
  }

  const show = (
    path: string,
    name: string,
    handler: (ctx: Context, interactionUid: string | undefined) => Promise<void>,
  ): Route =>
    page({
      access: 'public',
      path,
      name,
      ...(path.includes(':') && { params: z.strictObject({ uid }) }),
      handler: (ctx, { params }) => handler(ctx, (params as { uid?: string } | undefined)?.uid),
    })

  const submit = (path: string, name: string): Route =>
    form({
      access: 'public',
      path,
      name,
      ...(path.includes(':') && { params: z.strictObject({ uid }) }),
      limit: { policy: 'register' },
      body: { schema: applicant },
      handler: (ctx, { params, body }) => register(ctx, (params as { uid?: string } | undefined)?.uid, body),
    })

  const verify = page({
    path: '/verify',
    name: 'registration.link',
    access: 'public',
    limit: { policy: 'link', by: ({ query }) => query.token },
    query: linkQuery,
    handler: async (ctx, { query }) =>
      showProof(ctx, await registration.showVerification(query.token, deps.cookie.read(ctx)), query),
  })

  const confirm = form({
    path: '/verify',
    name: 'registration.confirm',
    access: 'public',
    limit: { policy: 'link', by: ({ body }) => body.token },
    body: { schema: z.strictObject(linkFields) },
    handler: async (ctx, { body }) => {
      await registration.confirm(body.token, browserContext(ctx))
      showVerified(ctx, body.go)
    },
  })

  const confirmWithPassword = form({
    path: '/verify/password',
    name: 'registration.confirm_with_password',
    access: 'public',
    limit: { policy: 'link', by: ({ body }) => body.token },
    body: { schema: z.strictObject({ ...linkFields, password: text(longestPasswordField) }) },
    handler: async (ctx, { body }) => {
      const proof = await registration.showVerification(body.token, undefined)
      const work = () => registration.confirmWithPassword(body.token, body.password, browserContext(ctx))
      const isDone = await withFieldProblems(ctx, work, (problems) => showProof(ctx, proof, body, { problems }))
      if (isDone) showVerified(ctx, body.go)
    },
  })

  const startOver = form({
    path: '/verify/anew',
    name: 'registration.begin_anew',
    access: 'public',
    limit: { policy: 'link', by: ({ body }) => body.token },
    body: { schema: begun },
    handler: async (ctx, { body }) => {
      const proof = await registration.showVerification(body.token, undefined)
      const showForm = (startOverProblems: FieldProblems) =>
        showProof(ctx, proof, body, { startOverProblems, typedName: body.name })
      if (await withFieldProblems(ctx, () => registration.startOver(body.token, body, browserContext(ctx)), showForm)) {
        showVerified(ctx, body.go)
      }
    },
  })

  const invitation = page({
    path: '/invitation',
    name: 'registration.invitation',
    access: 'public',
    limit: { policy: 'link', by: ({ query }) => query.token },
    query: linkQuery,
    handler: async (ctx, { query }) => showProof(ctx, await registration.showInvitation(query.token), query),
  })

  const accept = form({
    path: '/invitation',
    name: 'registration.accept_invitation',
    access: 'public',
    limit: { policy: 'link', by: ({ body }) => body.token },
    body: { schema: begun },
    handler: async (ctx, { body }) => {
      const proof = await registration.showInvitation(body.token)
      const showForm = (problems: FieldProblems) => showProof(ctx, proof, body, { problems, typedName: body.name })
      if (
        await withFieldProblems(
          ctx,
          () => registration.acceptInvitation(body.token, body, browserContext(ctx)),
          showForm,
        )
      ) {
        showVerified(ctx, undefined)
      }
    },
  })

  const empty = { email: '', name: '' }
  return [
    show('/register', 'registration.show', (ctx) => showForm(ctx, undefined, empty)),
    show('/interaction/:uid/register', 'registration.show_in_interaction', (ctx, interactionUid) =>
      showForm(ctx, interactionUid, empty),
    ),
    submit('/register', 'registration.submit'),
    submit('/interaction/:uid/register', 'registration.submit_in_interaction'),
    verify,
    confirm,
    confirmWithPassword,
    startOver,
    invitation,
    accept,
  ]
}
