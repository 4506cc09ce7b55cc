/**
 * The baseline: node-oidc-provider on a plain Map, with Latchkey's development client, keys,
 * lifetimes and scopes. It checks no password.
 */
import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import type { JWK } from 'jose'
import { exportJWK, generateKeyPair } from 'jose'
import type { Adapter, AdapterPayload, ClientMetadata, Configuration, KoaContextWithOIDC } from 'oidc-provider'
import { errors, interactionPolicy, Provider } from 'oidc-provider'
import * as development from './development.ts'

/**
 * Keeps everything until the process ends. It ignores expiry, because a plain Map does not expire.
 */
function createMapAdapters(clients: readonly ClientMetadata[]): (model: string) => Adapter {
  const rows = new Map<string, AdapterPayload>(clients.map((client) => [`Client:${client.client_id}`, client]))
  const uids = new Map<string, string>()
  const grants = new Map<string, string[]>()
  return (model) => {
    const keyOf = (id: string) => `${model}:${id}`
    return {
      async upsert(id, payload) {
        rows.set(keyOf(id), payload)
        if (payload.uid) uids.set(payload.uid, keyOf(id))
        if (!payload.grantId) return
        const list = grants.get(payload.grantId)
        if (list) list.push(keyOf(id))
        else grants.set(payload.grantId, [keyOf(id)])
      },
      async find(id) {
        return rows.get(keyOf(id))
      },
      async findByUid(uid) {
        return rows.get(uids.get(uid) ?? '')
      },
      async findByUserCode() {
        return undefined
      },
      async consume(id) {
        const row = rows.get(keyOf(id))
        if (row) row.consumed = Math.floor(Date.now() / 1000)
      },
      async destroy(id) {
        rows.delete(keyOf(id))
      },
      async revokeByGrantId(grantId) {
        for (const key of grants.get(grantId) ?? []) rows.delete(key)
        grants.delete(grantId)
      },
    }
  }
}

/** Private keys of the same kinds, and in the same order, as the public keys of `jwks`. */
async function createKeysLike(jwks: readonly JWK[]): Promise<JWK[]> {
  return Promise.all(
    jwks.map(async ({ alg, n, crv }) => {
      const modulusLength = n ? Buffer.from(n, 'base64url').length * 8 : undefined
      const { privateKey } = await generateKeyPair(alg ?? '', { modulusLength, crv, extractable: true })
      return { ...(await exportJWK(privateKey)), alg, use: 'sig' }
    }),
  )
}

const { lifetimes, account, apiScope } = development

function configure(keys: JWK[], clients: readonly ClientMetadata[]): Configuration {
  const policy = interactionPolicy.base()
  policy.add(new interactionPolicy.Prompt({ name: 'select_account', requestable: true }), 0)
  return {
    adapter: createMapAdapters(clients),
    jwks: { keys: keys as never },
    cookies: { keys: ['a key of the benchmark, which protects nothing'] },
    responseTypes: ['code'],
    pkce: { required: () => true },
    scopes: ['openid', 'profile', 'email', 'phone', 'address', 'offline_access', 'roles'],
    claims: {
      openid: ['sub'],
      profile: ['name', 'given_name', 'family_name', 'updated_at'],
      email: ['email', 'email_verified'],
    },
    findAccount: (_ctx, sub) => ({ accountId: sub, claims: () => ({ ...account, sub }) }),
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    expiresWithSession: () => false,
    rotateRefreshToken: () => true,
    enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256', 'EdDSA'] },
    ttl: {
      AccessToken: lifetimes.accessToken,
      ClientCredentials: lifetimes.accessToken,
      IdToken: lifetimes.idToken,
      AuthorizationCode: lifetimes.code,
      RefreshToken: lifetimes.refreshToken,
      Grant: lifetimes.grant,
      Session: lifetimes.session,
      Interaction: lifetimes.interaction,
    },
    interactions: { policy, url: (_ctx, { uid }) => `/interaction/${uid}` },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      revocation: { enabled: true },
      introspection: {
        enabled: true,
        allowedPolicy: (ctx, client, token) => client.clientId === token.clientId && ctx.oidc.client === client,
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => [],
        useGrantedResource: () => false,
        getResourceServerInfo: (_ctx, resource) => {
          if (resource !== development.resource) throw new errors.InvalidTarget()
          return {
            scope: apiScope,
            accessTokenFormat: 'jwt',
            accessTokenTTL: lifetimes.accessToken,
            jwt: { sign: { alg: 'ES256' } },
          }
        },
      },
    },
  }
}

/** The page that a user would see: one form. Every answer is accepted, so no password is hashed. */
const interactionPage = (uid: string): string =>
  `<!doctype html><title>Test</title><form method="post" action="/interaction/${uid}"><button>Go on</button></form>`

async function finishInteraction(provider: Provider, ctx: KoaContextWithOIDC): Promise<void> {
  await text(ctx.req as IncomingMessage)
  const { prompt, params, session, grantId } = await provider.interactionDetails(ctx.req, ctx.res)
  const answer = async () => {
    if (prompt.name === 'login') return { login: { accountId: account.sub, amr: ['pwd'] } }
    if (prompt.name === 'select_account') return { select_account: {} }
    const known = grantId ? await provider.Grant.find(grantId) : undefined
    const grant = known ?? new provider.Grant({ accountId: session?.accountId, clientId: String(params.client_id) })
    grant.addOIDCScope(String(params.scope))
    return { consent: { grantId: await grant.save() } }
  }
  ctx.respond = false
  await provider.interactionFinished(ctx.req, ctx.res, await answer(), { mergeWithLastSubmission: true })
}

/** Listens on PORT, with keys of the kinds in BENCH_JWKS and the clients in BENCH_CLIENTS. */
async function start(): Promise<void> {
  const { PORT, BENCH_JWKS = '[]' } = process.env
  const keys = await createKeysLike(JSON.parse(BENCH_JWKS))
  const provider = new Provider(`http://localhost:${PORT}`, configure(keys, development.clients))
  provider.use(async (ctx, next) => {
    const uid = /^\/interaction\/([\w-]+)$/.exec(ctx.path)?.[1]
    if (!uid) return next()
    if (ctx.method === 'POST') return finishInteraction(provider, ctx as KoaContextWithOIDC)
    await provider.interactionDetails(ctx.req, ctx.res)
    ctx.type = 'html'
    ctx.body = interactionPage(uid)
  })
  const server = provider.listen(Number(PORT), 'localhost')
  process.on('SIGTERM', () => {
    server.close(() => process.exit(0))
    server.closeAllConnections()
  })
}

await start()
