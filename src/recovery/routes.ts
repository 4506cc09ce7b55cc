/**
 * The pages of recovery: the request for a link, inside or outside an interaction, and the form for
 * the new password.
 */
import type { Context } from 'koa'
import { z } from 'zod'
import type { RenewCookies } from '../authentication/account-reset-types.ts'
import type { Interactions } from '../authentication/interaction.ts'
import { notFound } from '../http/errors.ts'
import { withFieldProblems } from '../http/field-problems.ts'
import type { FieldProblems } from '../http/page-parts.ts'
import type { Route } from '../http/route.ts'
import { form, page } from '../http/route.ts'
import type { Views } from '../http/views.ts'
import { originOf } from '../origin.ts'
import type { Recovery } from './service.ts'

type Deps = {
  recovery: Recovery
  interactions: Pick<Interactions, 'load'>
  views: Views
  renewCookies: RenewCookies
}

/**
 * The limit of the whole body (http/body.ts). For a shorter password the policy gives the message.
 */
const longestPasswordField = 56 * 1024
const uid = z.string().regex(/^[\w-]{10,64}$/)
const asked = z.strictObject({ email: z.string().max(320) })
const link = { token: z.string().max(200), go: uid.optional() }
const signInUrl = (interactionUid: string): string => `/interaction/${interactionUid}`

export function recoveryRoutes({ recovery, interactions, views, renewCookies }: Deps): readonly Route[] {
  async function showForm(
    ctx: Context,
    interactionUid: string | undefined,
    email: string,
    problems: FieldProblems = {},
  ) {
    // Without email there is no recovery, so there is no page.
    if (!recovery.isOffered) throw notFound()
    const interaction = interactionUid === undefined ? undefined : await interactions.load(ctx, interactionUid)
    views.render(ctx, 'recover', {
      ...(interaction &&
        interactionUid !== undefined && { client: interaction.client, signInUrl: signInUrl(interactionUid) }),
      action: interactionUid === undefined ? '/recover' : `${signInUrl(interactionUid)}/recover`,
      email,
      problems,
    })
  }

  async function ask(ctx: Context, interactionUid: string | undefined, email: string): Promise<void> {
    if (!recovery.isOffered) throw notFound()
    if (interactionUid !== undefined) await interactions.load(ctx, interactionUid)
    let problems: FieldProblems = {}
    const isRequested = await withFieldProblems(
      ctx,
      () => recovery.request({ email, interactionUid, origin: originOf(ctx) }),
      (found) => {
        problems = found
      },
    )
    if (isRequested) return views.render(ctx, 'notice', { name: 'recovery_sent', email: recovery.showEmail(email) })
    const { status } = ctx
    await showForm(ctx, interactionUid, email, problems)
    ctx.status = status
  }

  const showNewPassword = (
    ctx: Context,
    email: string,
    { token, go: interactionUid }: { token: string; go?: string },
    problems: FieldProblems = {},
  ): void =>
    views.render(ctx, 'link-password', {
      kind: 'recover',
      action: '/recover/password',
      token,
      email,
      problems,
      ...(interactionUid !== undefined && { interactionUid }),
    })

  const uidOf = (params: unknown) => (params as { uid?: string } | undefined)?.uid
  const inInteraction = (path: string) => (path.includes(':') ? { params: z.strictObject({ uid }) } : {})

  const show = (path: string, name: string): Route =>
    page({
      access: 'public',
      path,
      name,
      ...inInteraction(path),
      handler: (ctx, { params }) => showForm(ctx, uidOf(params), ''),
    })

  const submit = (path: string, name: string): Route =>
    form({
      access: 'public',
      path,
      name,
      ...inInteraction(path),
      limit: { policy: 'recovery', by: ({ body }) => body.email },
      body: { schema: asked },
      handler: (ctx, { params, body }) => ask(ctx, uidOf(params), body.email),
    })

  const open = page({
    path: '/recover/password',
    name: 'recovery.link',
    access: 'public',
    limit: { policy: 'link', by: ({ query }) => query.token },
    query: z.object(link),
    handler: async (ctx, { query }) => showNewPassword(ctx, (await recovery.show(query.token)).email, query),
  })

  const reset = form({
    path: '/recover/password',
    name: 'recovery.reset',
    access: 'public',
    limit: { policy: 'link', by: ({ body }) => body.token },
    body: { schema: z.strictObject({ ...link, password: z.string().max(longestPasswordField) }) },
    handler: async (ctx, { body }) => {
      const { email } = await recovery.show(body.token)
      const showForm = (problems: FieldProblems) => showNewPassword(ctx, email, body, problems)
      const work = async () => renewCookies(ctx, await recovery.reset(body.token, body.password, originOf(ctx)))
      if (!(await withFieldProblems(ctx, work, showForm))) return
      views.render(ctx, 'notice', {
        name: 'password_set',
        ...(body.go !== undefined && { returnUrl: signInUrl(body.go) }),
      })
    },
  })

  return [
    show('/recover', 'recovery.show'),
    show('/interaction/:uid/recover', 'recovery.show_in_interaction'),
    submit('/recover', 'recovery.submit'),
    submit('/interaction/:uid/recover', 'recovery.submit_in_interaction'),
    open,
    reset,
  ]
}
