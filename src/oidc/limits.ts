/**
 * Counts the requests of the engine's endpoints as `endpoints.ts` and `grants/` define. The numbers
 * are in `limits/policies.ts`.
 */
import type { Context } from 'koa'
import type { KoaContextWithOIDC } from 'oidc-provider'
import { errors, Provider } from 'oidc-provider'
import type { ArtifactStore } from '../../adapters/index.ts'
import { AppError } from '../errors.ts'
import type { RateLimiter } from '../limits/rate-limiter.ts'
import type { CountedLimit } from './endpoint.ts'
import { endpointAt, limitAt } from './endpoints.ts'
import type { Grant } from './grants/grant.ts'

type Deps = {
  rateLimiter: RateLimiter
  artifacts: Pick<ArtifactStore, 'adapter'>
  /** The part of an ip that is counted. */
  countedIp: (ip: string) => string
  /** A keyed digest, so that the name of a counter contains no secret. */
  digest: (secret: string) => Buffer
}

export type EngineLimits = ReturnType<typeof createEngineLimits>

type EngineClient = NonNullable<KoaContextWithOIDC['oidc']['client']>

const exposedToScripts =
  'X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, RateLimit, RateLimit-Policy, Retry-After'

// The engine's context is the context of our application.
const asContext = (ctx: KoaContextWithOIDC): Context => ctx

const ownLimitOf = (client: EngineClient | undefined): number | undefined =>
  client?.token_requests_per_minute as number | undefined

const isConfidential = (client: EngineClient): boolean => client.tokenEndpointAuthMethod !== 'none'

export function createEngineLimits({ rateLimiter, artifacts, countedIp, digest }: Deps) {
  /** Refusals from inside the engine. They are answered outside of it, in our own format. */
  const refusals = new WeakMap<KoaContextWithOIDC, unknown>()
  const counted = new WeakSet<KoaContextWithOIDC>()
  /** The client that a request names, before it is authenticated. */
  const namedClients = new WeakMap<KoaContextWithOIDC, string>()

  /**
   * Runs `work` inside the engine. For a refusal the engine neither redirects nor logs a failure.
   */
  async function inEngine(ctx: KoaContextWithOIDC, work: () => Promise<void> | void): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (!(error instanceof AppError) || error.status !== 429) throw error
      refusals.set(ctx, error)
      throw Object.assign(new errors.TemporarilyUnavailable('too many requests'), {
        status: 429,
        statusCode: 429,
        expose: true,
        allow_redirect: false,
      })
    }
  }

  /**
   * Counts a request by its ip until the client is authenticated: a web application sends the
   * requests of all its users from one ip. Then the client is counted, or nothing (introspection).
   */
  async function countClient(ctx: KoaContextWithOIDC, { policy, by }: CountedLimit, client: EngineClient | undefined) {
    counted.add(ctx)
    const context = asContext(ctx)
    if (client === undefined || !isConfidential(client)) await rateLimiter.countIp(context, policy)
    else if (by === 'client') await rateLimiter.countIdentifier(context, policy, client.clientId, ownLimitOf(client))
  }

  /** Counts a token request as its grant defines, and by its ip without an authenticated client. */
  async function countGrant(ctx: KoaContextWithOIDC, { limit, spends }: Grant): Promise<void> {
    counted.add(ctx)
    if ('none' in limit) return
    const context = asContext(ctx)
    const { client } = ctx.oidc
    const isAuthenticated = client !== undefined && isConfidential(client)
    if (limit.by === 'client' && isAuthenticated) {
      return rateLimiter.countIdentifier(context, limit.policy, client.clientId, ownLimitOf(client))
    }
    const grantId = limit.by === 'grant' ? await grantIdOf(ctx, spends) : undefined
    const atIp = limitAt(ctx.path)
    if (atIp && (!isAuthenticated || grantId === undefined)) await rateLimiter.countIp(context, atIp.policy)
    if (grantId !== undefined) await rateLimiter.countIdentifier(context, limit.policy, grantId)
  }

  /** A code or refresh token is counted by its grant: users do not use up each other's limits. */
  async function grantIdOf({ oidc }: KoaContextWithOIDC, spends: Grant['spends']): Promise<string | undefined> {
    if ('none' in spends) return undefined
    const token = oidc.params?.[spends.parameter]
    if (typeof token !== 'string' || token === '') return undefined
    // The unit of work caches the row: the engine's own look-up needs no further query.
    const found = await artifacts.adapter(spends.model).find(token)
    return found?.grantId === undefined ? undefined : `grant ${found.grantId}`
  }

  const clientAtIp = (ctx: KoaContextWithOIDC, clientId: string): string =>
    `${clientId}\0${countedIp(asContext(ctx).ip)}`

  /**
   * The secret that failed. Of an assertion only the header, because the body differs each time.
   */
  function presented({ headers, oidc }: KoaContextWithOIDC): string {
    const { client_secret: secret, client_assertion: assertion } = oidc?.params ?? {}
    return String(headers.authorization ?? secret ?? String(assertion ?? '').split('.')[0])
  }

  /**
   * A failure counts for its ip, for the client at this ip, and for the client. The same wrong
   * secret counts once a minute: a replica with an old secret is not guessing.
   */
  async function countFailure(ctx: KoaContextWithOIDC): Promise<void> {
    const policy = 'client_authentication'
    const clientId = namedClients.get(ctx)
    const guess = `${clientAtIp(ctx, clientId ?? '')}\0${digest(presented(ctx)).toString('base64url')}`
    if (!(await rateLimiter.isFirst('wrong_secret', guess))) return
    await rateLimiter.countIp(asContext(ctx), policy)
    if (clientId === undefined) return
    await rateLimiter.countIdentifier(asContext(ctx), policy, clientAtIp(ctx, clientId))
    await rateLimiter.countIdentifier(asContext(ctx), policy, clientId)
  }

  async function countAfterwards(ctx: KoaContextWithOIDC, limit: CountedLimit): Promise<void> {
    const isRefusedClient = (Object(ctx.body) as { error?: unknown }).error === 'invalid_client'
    // After an error the named client may not be authenticated.
    const client = ctx.status < 400 ? ctx.oidc?.client : undefined
    if (!counted.has(ctx)) await countClient(ctx, limit, client)
    if (isRefusedClient) await countFailure(ctx)
  }

  async function aroundClients(ctx: KoaContextWithOIDC, next: () => Promise<void>, limit: CountedLimit): Promise<void> {
    // A client over its limit costs only this check. Other clients are counted once they are known.
    rateLimiter.refuseKnown(asContext(ctx), limit.policy)
    rateLimiter.refuseKnown(asContext(ctx), 'client_authentication')
    await next()
    const refusal = refusals.get(ctx)
    if (ctx.response.get('Access-Control-Allow-Origin') !== '') {
      const exposed = ctx.response.get('Access-Control-Expose-Headers')
      ctx.set('Access-Control-Expose-Headers', exposed === '' ? exposedToScripts : `${exposed}, ${exposedToScripts}`)
    }
    if (refusal) throw refusal
    await countAfterwards(ctx, limit)
  }

  return {
    /** Called before a posted request is stored for the GET that follows it. */
    countBrowser: async (ctx: Context): Promise<void> => {
      const limit = limitAt(ctx.path)
      if (limit) await rateLimiter.countIp(ctx, limit.policy)
    },

    /** Outermost middleware of the engine's chain: a refused request writes nothing. */
    around: async (ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> => {
      const limit = ctx.method === 'OPTIONS' ? undefined : limitAt(ctx.path)
      if (!limit) return next()
      if (endpointAt(ctx.path)?.caller === 'client') return aroundClients(ctx, next, limit)
      await rateLimiter.countIp(asContext(ctx), limit.policy)
      await next()
      const refusal = refusals.get(ctx)
      if (refusal) throw refusal
    },

    /** Called before a grant handler: the client is authenticated, and nothing is spent yet. */
    beforeGrant: (ctx: KoaContextWithOIDC, grant: Grant): Promise<void> => inEngine(ctx, () => countGrant(ctx, grant)),

    /** Called before a client look-up: refuses an ip with too many failures at this client. */
    beforeClient: async (clientId: string): Promise<void> => {
      const { ctx } = Provider
      if (!ctx || endpointAt(ctx.path)?.caller !== 'client' || namedClients.has(ctx)) return
      namedClients.set(ctx, clientId)
      const { client_secret: secret, client_assertion: assertion } = ctx.oidc.params ?? {}
      if (ctx.headers.authorization === undefined && !secret && !assertion) return
      await inEngine(ctx, () =>
        rateLimiter.refuseKnown(asContext(ctx), 'client_authentication', clientAtIp(ctx, clientId)),
      )
    },

    /** Called when the signed-in account, or the grant of the token, is known. */
    beforeAccount: async (ctx: KoaContextWithOIDC, accountId: string): Promise<void> => {
      const limit = limitAt(ctx.path)
      if (limit?.by !== 'account' && limit?.by !== 'grant') return
      const identifier = limit.by === 'grant' ? (ctx.oidc.entities.AccessToken?.grantId ?? accountId) : accountId
      await inEngine(ctx, () => rateLimiter.countIdentifier(asContext(ctx), limit.policy, identifier))
    },
  }
}
