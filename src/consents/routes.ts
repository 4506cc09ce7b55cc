/** The consent page and its answer. */
import type { Context } from 'koa'
import { z } from 'zod'
import type { Accounts } from '../accounts/service.ts'
import type { Interaction, Interactions } from '../authentication/interaction.ts'
import type { Tx } from '../database/database.ts'
import type { Route } from '../http/route.ts'
import { form } from '../http/route.ts'
import type { Views } from '../http/views.ts'
import { originOf } from '../origin.ts'
import type { ResourceServers } from '../resource-servers/service.ts'
import { consentNotAsked } from './errors.ts'
import type { Consents } from './service.ts'

type Deps = {
  interactions: Interactions
  consents: Consents
  accounts: Pick<Accounts, 'findById'>
  resourceServers: Pick<ResourceServers, 'findByIdentifier'>
  views: Views
  /** The OpenID Connect scopes that this server offers, in display order. */
  offeredScopes: readonly string[]
}

const words = (value: unknown): readonly string[] => (typeof value === 'string' && value !== '' ? value.split(' ') : [])
const listed = (value: unknown): readonly string[] =>
  (Array.isArray(value) ? value : [value]).filter((item): item is string => typeof item === 'string')

export function createConsentPages({ interactions, consents, accounts, resourceServers, views, offeredScopes }: Deps) {
  /** The APIs of the request with the requested scopes, for the consent page. */
  async function askedResources({ params }: Interaction) {
    const asked = new Set(words(params.scope))
    const found = await Promise.all(
      listed(params.resource).map((resource) => resourceServers.findByIdentifier(resource)),
    )
    return found
      .filter((server) => server !== undefined)
      .map(({ identifier, name, scopes }) => ({
        identifier,
        name,
        scopes: scopes.filter((scope) => asked.has(scope.name)),
      }))
      .filter(({ scopes }) => scopes.length > 0)
  }

  /**
   * Lists everything that the client requests, including what was allowed before: the answer covers
   * all of it.
   */
  async function show(ctx: Context, interaction: Interaction): Promise<void> {
    const account = interaction.accountId ? await accounts.findById(interaction.accountId) : undefined
    const asked = new Set(words(interaction.params.scope))
    views.render(ctx, 'consent', {
      client: interaction.client,
      account: { email: account?.email ?? '', name: account?.name },
      scopes: offeredScopes.filter((name) => asked.has(name) && name !== 'offline_access').map((name) => ({ name })),
      claims: interaction.missing.claims,
      resources: await askedResources(interaction),
      hasOfflineAccess: asked.has('offline_access'),
      action: `/interaction/${interaction.uid}/consent`,
      cancelAction: `/interaction/${interaction.uid}/cancel`,
      switchAction: `/interaction/${interaction.uid}/switch`,
    })
  }

  const submit = form({
    path: '/interaction/:uid/consent',
    name: 'consent.submit',
    access: 'public',
    limit: { policy: 'interaction', by: ({ params }) => params.uid },
    params: z.strictObject({ uid: z.string().regex(/^[\w-]{10,64}$/) }),
    body: { schema: z.strictObject({}) },
    handler: async (ctx, { params }) => {
      const interaction = await interactions.loadForAnswer(ctx, params.uid, 'consent')
      if ('continueTo' in interaction) return views.render(ctx, 'continue', { url: interaction.continueTo })
      const { prompt, accountId, clientId, missing } = interaction
      if (prompt !== 'consent' || !accountId) throw consentNotAsked()
      const decide = (tx: Tx) => interactions.decide(tx, params.uid, 'consent')
      await consents.grant({ accountId, clientId, origin: originOf(ctx) }, missing, decide)
      views.render(ctx, 'continue', { url: await interactions.finish(ctx, { consent: {} }, 'consent') })
    },
  })

  const routes: readonly Route[] = [submit]
  return { show, routes }
}
