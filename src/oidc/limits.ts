/** Request limits of the engine's endpoints: by address in front, by client, grant or account where the engine has found out which. */
import type { Context } from 'koa'
import type { KoaContextWithOIDC } from 'oidc-provider'
import { errors, Provider } from 'oidc-provider'
import type { ArtifactStore } from '../../adapters/index.ts'
import { AppError } from '../errors.ts'
import type { Gate } from '../limits/gate.ts'
import type { PolicyName } from '../limits/policies.ts'
import { routes } from './endpoints.ts'

type Deps = {
  gate: Gate
  artifacts: Pick<ArtifactStore, 'adapter'>
  /** The part of an address that is counted. */
  countedAddress: (address: string) => string
}

export type EngineLimits = ReturnType<typeof createEngineLimits>

type EngineClient = NonNullable<KoaContextWithOIDC['oidc']['client']>

/** Endpoints that clients authenticate at. */
const clientPolicies: ReadonlyMap<string, PolicyName> = new Map([
  [routes.token, 'token'],
  [routes.pushed_authorization_request, 'pushed_request'],
  [routes.introspection, 'introspection'],
  [routes.revocation, 'revocation'],
])
const personPolicies: ReadonlyMap<string, PolicyName> = new Map([
  [routes.authorization, 'authorization'],
  [routes.userinfo, 'userinfo'],
])

const toldToScripts = 'X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After'

// The engine's context is the one that our application made.
const asContext = (ctx: KoaContextWithOIDC): Context => ctx as unknown as Context

const ownLimitOf = (client: EngineClient | undefined): number | undefined =>
  client?.token_requests_per_minute as number | undefined

const isConfidential = (client: EngineClient): boolean => client.tokenEndpointAuthMethod !== 'none'

export function createEngineLimits({ gate, artifacts, countedAddress }: Deps) {
  /** What was refused inside the engine, to be answered outside of it as everything of ours is. */
  const refusals = new WeakMap<KoaContextWithOIDC, unknown>()
  const counted = new WeakSet<KoaContextWithOIDC>()
  /** Which client a request says it comes from. */
  const claimed = new WeakMap<KoaContextWithOIDC, string>()

  /** Runs `work` inside the engine: a refusal stops the engine, which neither redirects nor calls it its own failure. */
  async function inEngine(ctx: KoaContextWithOIDC, work: () => Promise<void> | void): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (!(error instanceof AppError) || error.status !== 429) throw error
      refusals.set(ctx, error)
      throw Object.assign(new errors.TemporarilyUnavailable('too many requests'), {
        ...{ status: 429, statusCode: 429, expose: true, allow_redirect: false },
      })
    }
  }

  /** Every request counts at its address, but those of a client with a number of its own: it may be worth more than the address is. */
  async function countClient(ctx: KoaContextWithOIDC, policy: PolicyName, identifier: string | undefined) {
    counted.add(ctx)
    const own = ownLimitOf(ctx.oidc.client)
    if (own === undefined || identifier === undefined) await gate.countAddress(asContext(ctx), policy)
    if (identifier !== undefined) await gate.countIdentifier(asContext(ctx), policy, identifier, own)
  }

  /** Whom a public client's request is counted for: the id is public, and one person must not use up what another may. */
  async function grantOf({ oidc }: KoaContextWithOIDC): Promise<string | undefined> {
    const { grant_type: grantType, code, refresh_token: refreshToken } = oidc.params ?? {}
    const [model, token] = grantType === 'refresh_token' ? ['RefreshToken', refreshToken] : ['AuthorizationCode', code]
    if (typeof token !== 'string' || token === '') return undefined
    // The unit of work remembers the row: the engine's own look costs nothing more.
    const found = await artifacts.adapter(model as string).find(token)
    return found?.grantId === undefined ? undefined : `grant ${found.grantId}`
  }

  const guesser = (ctx: KoaContextWithOIDC, clientId: string): string =>
    `${clientId}\0${countedAddress(asContext(ctx).ip)}`

  /** A failure counts for its address, for the client at this address, and for the client. */
  async function countFailure(ctx: KoaContextWithOIDC): Promise<void> {
    const policy = 'client_authentication'
    const clientId = claimed.get(ctx)
    await gate.countAddress(asContext(ctx), policy)
    if (clientId === undefined) return
    await gate.countIdentifier(asContext(ctx), policy, guesser(ctx, clientId))
    await gate.countIdentifier(asContext(ctx), policy, clientId)
  }

  async function countAfterwards(ctx: KoaContextWithOIDC, policy: PolicyName): Promise<void> {
    const isRefusedClient = (Object(ctx.body) as { error?: unknown }).error === 'invalid_client'
    const client = isRefusedClient ? undefined : ctx.oidc?.client
    if (!counted.has(ctx)) {
      await countClient(ctx, policy, client && isConfidential(client) ? client.clientId : undefined)
    }
    if (isRefusedClient) await countFailure(ctx)
  }

  async function aroundClients(ctx: KoaContextWithOIDC, next: () => Promise<void>, policy: PolicyName): Promise<void> {
    // What is known to be too much costs nothing but this look; everything else is counted when it is known for whom.
    gate.refuseKnown(asContext(ctx), policy)
    gate.refuseKnown(asContext(ctx), 'client_authentication')
    await next()
    const refusal = refusals.get(ctx)
    if (ctx.response.get('Access-Control-Allow-Origin') !== '') {
      const exposed = ctx.response.get('Access-Control-Expose-Headers')
      ctx.set('Access-Control-Expose-Headers', exposed === '' ? toldToScripts : `${exposed}, ${toldToScripts}`)
    }
    if (refusal) throw refusal
    await countAfterwards(ctx, policy)
  }

  return {
    /** Middleware inside the engine's chain, outside all others: what it refuses is never written. */
    around: async (ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> => {
      if (ctx.method === 'OPTIONS') return next()
      const ofClients = clientPolicies.get(ctx.path)
      if (ofClients) return aroundClients(ctx, next, ofClients)
      const ofPersons = personPolicies.get(ctx.path)
      if (!ofPersons) return next()
      await gate.countAddress(asContext(ctx), ofPersons)
      await next()
      const refusal = refusals.get(ctx)
      if (refusal) throw refusal
    },

    /** Before a grant handler: the client is authenticated, nothing is spent. */
    beforeGrant: (ctx: KoaContextWithOIDC): Promise<void> =>
      inEngine(ctx, async () => {
        const { client } = ctx.oidc
        const identifier = client && isConfidential(client) ? client.clientId : await grantOf(ctx)
        await countClient(ctx, 'token', identifier)
      }),

    /** Before a client is looked up: who has guessed too often at this client from this address is not listened to. */
    beforeClient: async (clientId: string): Promise<void> => {
      const { ctx } = Provider
      if (!ctx || !clientPolicies.has(ctx.path) || claimed.has(ctx)) return
      claimed.set(ctx, clientId)
      const { client_secret: secret, client_assertion: assertion } = ctx.oidc.params ?? {}
      if (ctx.headers.authorization === undefined && !secret && !assertion) return
      await inEngine(ctx, () => gate.refuseKnown(asContext(ctx), 'client_authentication', guesser(ctx, clientId)))
    },

    /** When it is known who is signed in, or whose token it is. */
    beforeAccount: async (ctx: KoaContextWithOIDC, accountId: string): Promise<void> => {
      const { route, entities } = ctx.oidc
      const context = asContext(ctx)
      if (route === 'authorization') {
        await inEngine(ctx, () => gate.countIdentifier(context, 'authorization', accountId))
      } else if (route === 'userinfo') {
        const grantId = entities.AccessToken?.grantId ?? accountId
        await inEngine(ctx, () => gate.countIdentifier(context, 'userinfo', grantId))
      }
    },
  }
}
