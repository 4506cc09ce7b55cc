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
  /** A keyed digest: no counter's name holds a secret. */
  digest: (secret: string) => Buffer
}

export type EngineLimits = ReturnType<typeof createEngineLimits>

type EngineClient = NonNullable<KoaContextWithOIDC['oidc']['client']>

type Row =
  | Readonly<{ policy: PolicyName; for: 'clients' | 'persons' }>
  /** Why nothing is counted. */
  | Readonly<{ exempt: string }>

/** Every endpoint of the engine, and what counts its requests. The type wants a row for each. */
export const endpointLimits = {
  authorization: { policy: 'authorization', for: 'persons' },
  token: { policy: 'token', for: 'clients' },
  userinfo: { policy: 'userinfo', for: 'persons' },
  jwks: { exempt: 'answers from memory, the same for everybody' },
  end_session: { policy: 'logout', for: 'persons' },
  introspection: { policy: 'introspection', for: 'clients' },
  revocation: { policy: 'revocation', for: 'clients' },
  pushed_authorization_request: { policy: 'pushed_request', for: 'clients' },
} as const satisfies Readonly<Record<keyof typeof routes, Row>>

const policiesFor = (wanted: 'clients' | 'persons'): ReadonlyMap<string, PolicyName> =>
  new Map(
    Object.entries<Row>(endpointLimits).flatMap(([name, row]) =>
      'policy' in row && row.for === wanted ? [[routes[name as keyof typeof routes], row.policy] as const] : [],
    ),
  )

/** Endpoints that clients authenticate at. */
const clientPolicies = policiesFor('clients')
const personPolicies = policiesFor('persons')
const logoutPages = `${routes.end_session}/`

const toldToScripts =
  'X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, RateLimit, RateLimit-Policy, Retry-After'

// The engine's context is the one that our application made.
const asContext = (ctx: KoaContextWithOIDC): Context => ctx

const ownLimitOf = (client: EngineClient | undefined): number | undefined =>
  client?.token_requests_per_minute as number | undefined

const isConfidential = (client: EngineClient): boolean => client.tokenEndpointAuthMethod !== 'none'

export function createEngineLimits({ gate, artifacts, countedAddress, digest }: Deps) {
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
        status: 429,
        statusCode: 429,
        expose: true,
        allow_redirect: false,
      })
    }
  }

  /**
   * Counts a request at its address, but those of an authenticated client: a web application asks for all of its people from one. They count
   * for the grant or the client, and an introspection for nothing.
   */
  async function countClient(ctx: KoaContextWithOIDC, policy: PolicyName, client: EngineClient | undefined) {
    counted.add(ctx)
    const context = asContext(ctx)
    const isAuthenticated = client !== undefined && isConfidential(client)
    if (policy === 'token') {
      if (isAuthenticated && ctx.oidc.params?.grant_type === 'client_credentials') {
        return gate.countIdentifier(context, 'client_credentials', client.clientId, ownLimitOf(client))
      }
      const grant = client && (await grantOf(ctx))
      if (!isAuthenticated || grant === undefined) await gate.countAddress(context, policy)
      if (grant !== undefined) await gate.countIdentifier(context, policy, grant)
    } else if (!isAuthenticated) {
      await gate.countAddress(context, policy)
    } else if (policy !== 'introspection') {
      await gate.countIdentifier(context, policy, client.clientId, ownLimitOf(client))
    }
  }

  /** What a code or refresh token counts for: one person must not use up what another may. */
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

  /** What was presented in place of the right secret. Of an assertion the header, because each has another body. */
  function presented({ headers, oidc }: KoaContextWithOIDC): string {
    const { client_secret: secret, client_assertion: assertion } = oidc?.params ?? {}
    return String(headers.authorization ?? secret ?? String(assertion ?? '').split('.')[0])
  }

  /**
   * A failure counts for its address, for the client at this address, and for the client. The same wrong secret counts once a minute: a
   * replica that has an old one guesses nothing.
   */
  async function countFailure(ctx: KoaContextWithOIDC): Promise<void> {
    const policy = 'client_authentication'
    const clientId = claimed.get(ctx)
    const guess = `${guesser(ctx, clientId ?? '')}\0${digest(presented(ctx)).toString('base64url')}`
    if (!(await gate.isFirst('wrong_secret', guess))) return
    await gate.countAddress(asContext(ctx), policy)
    if (clientId === undefined) return
    await gate.countIdentifier(asContext(ctx), policy, guesser(ctx, clientId))
    await gate.countIdentifier(asContext(ctx), policy, clientId)
  }

  async function countAfterwards(ctx: KoaContextWithOIDC, policy: PolicyName): Promise<void> {
    const isRefusedClient = (Object(ctx.body) as { error?: unknown }).error === 'invalid_client'
    // An error may stand before the authentication: then the client that was named has proven nothing.
    const client = ctx.status < 400 ? ctx.oidc?.client : undefined
    if (!counted.has(ctx)) await countClient(ctx, policy, client)
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

  const personPolicyAt = (path: string) => personPolicies.get(path.startsWith(logoutPages) ? routes.end_session : path)

  return {
    /** Before a posted request is kept for the GET that follows it, and before the engine. */
    countBrowser: async (ctx: Context): Promise<void> => {
      const policy = personPolicyAt(ctx.path)
      if (policy) await gate.countAddress(ctx, policy)
    },

    /** Middleware inside the engine's chain, outside all others: what it refuses is never written. */
    around: async (ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> => {
      if (ctx.method === 'OPTIONS') return next()
      const ofClients = clientPolicies.get(ctx.path)
      if (ofClients) return aroundClients(ctx, next, ofClients)
      const ofPersons = personPolicyAt(ctx.path)
      if (!ofPersons) return next()
      await gate.countAddress(asContext(ctx), ofPersons)
      await next()
      const refusal = refusals.get(ctx)
      if (refusal) throw refusal
    },

    /** Before a grant handler: the client is authenticated, nothing is spent. */
    beforeGrant: (ctx: KoaContextWithOIDC): Promise<void> =>
      inEngine(ctx, () => countClient(ctx, 'token', ctx.oidc.client)),

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
