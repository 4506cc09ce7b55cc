/** The bare engine on a store, over HTTP, for the race tests. Engines may share a database. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair } from 'jose'
import type { Configuration, JWK, TokenEndpointGrantContext } from 'oidc-provider'
import { Provider } from 'oidc-provider'
import type { ArtifactStore } from '../../adapters/index.ts'

export type Answer = { status: number; body: Record<string, string | undefined> }
export type TestEngine = Awaited<ReturnType<typeof startEngine>>

const redirectUri = 'https://app.example/callback'
const issuer = 'http://localhost:3000'
const client = (clientId: string, more: object = {}) => ({
  client_id: clientId,
  token_endpoint_auth_method: 'none' as const,
  redirect_uris: [redirectUri],
  grant_types: ['authorization_code', 'refresh_token'],
  ...more,
})

const signingKey: Promise<JWK> = generateKeyPair('RS256', { extractable: true }).then(
  async ({ privateKey }) => (await exportJWK(privateKey)) as JWK,
)

async function configuration(store: ArtifactStore): Promise<Configuration> {
  return {
    adapter: store.adapter,
    jwks: { keys: [await signingKey] },
    clients: [
      client('spa'),
      client('other-spa'),
      client('web', { token_endpoint_auth_method: 'client_secret_post', client_secret: 'a secret of the web client' }),
    ],
    findAccount: (_ctx, accountId) => ({ accountId, claims: async () => ({ sub: accountId }) }),
    responseTypes: ['code'],
    clientDefaults: { grant_types: ['authorization_code'], response_types: ['code'] },
    scopes: ['openid', 'offline_access'],
    pkce: { required: () => false },
    cookies: { keys: ['a cookie key'] },
    expiresWithSession: () => false,
    issueRefreshToken: () => true,
    rotateRefreshToken: () => true,
    features: {
      devInteractions: { enabled: false },
      introspection: { enabled: true },
      revocation: { enabled: true },
      dPoP: { enabled: true, allowReplay: false },
    },
    ttl: { AccessToken: 600, AuthorizationCode: 60, RefreshToken: 14 * 86_400, Grant: 90 * 86_400, Session: 3600 },
  }
}

export async function startEngine(store: ArtifactStore) {
  class Engine extends Provider {
    override registerGrantType<Params extends object>(
      name: string,
      handler: (ctx: TokenEndpointGrantContext<Params>) => void | Promise<void>,
      ...rest: (string | readonly string[] | ReadonlySet<string>)[]
    ): void {
      super.registerGrantType(name, store.wrapGrant(handler), ...rest)
    }
  }
  const provider = new Engine(issuer, await configuration(store))
  provider.use(store.middleware as never)
  const successes: unknown[] = []
  const failures: Error[] = []
  provider.on('grant.success', (ctx) => successes.push(ctx.body))
  provider.on('server_error', (_ctx, error) => failures.push(error))
  const server = createServer(provider.callback())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  async function post(
    path: string,
    form: Record<string, string>,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const response = await fetch(`${base}${path}`, { method: 'POST', body: new URLSearchParams(form), headers })
    const text = await response.text()
    return { status: response.status, body: text === '' ? {} : JSON.parse(text) }
  }

  /**
   * A code as the authorization endpoint would have issued it, with its grant and browser session.
   */
  async function issueCode({ clientId = 'spa', scope = 'openid', accountId = 'alice' } = {}) {
    const session = Object.assign(new provider.Session(), { accountId })
    const { uid: sessionUid, jti: sessionId } = session
    // The published types omit that a session is saved with its lifetime.
    await (session as unknown as { save: (seconds: number) => Promise<string> }).save(3600)
    const grant = new provider.Grant({ accountId, clientId })
    grant.addOIDCScope(scope)
    const grantId = await grant.save()
    const owner = await provider.Client.find(clientId)
    const code = new provider.AuthorizationCode({
      accountId,
      client: owner,
      grantId,
      redirectUri,
      scope,
      sessionUid,
      authTime: Math.floor(Date.now() / 1000),
    } as never)
    return { code: await code.save(), grantId, sessionUid, sessionId }
  }

  const redeem = (code: string, more: Record<string, string> = {}, headers?: Record<string, string>) =>
    post(
      '/token',
      { grant_type: 'authorization_code', code, redirect_uri: redirectUri, client_id: 'spa', ...more },
      headers,
    )

  const refresh = (token: string | undefined, more: Record<string, string> = {}, headers?: Record<string, string>) =>
    post('/token', { grant_type: 'refresh_token', refresh_token: token ?? '', client_id: 'spa', ...more }, headers)

  const isActive = async (token: string | undefined, clientId = 'spa'): Promise<boolean> => {
    const secret: Record<string, string> = clientId === 'web' ? { client_secret: 'a secret of the web client' } : {}
    const { body } = await post('/token/introspection', { token: token ?? '', client_id: clientId, ...secret })
    return String(body.active) === 'true'
  }

  return {
    provider,
    base,
    post,
    issueCode,
    redeem,
    refresh,
    isActive,
    revoke: (token: string | undefined) => post('/token/revocation', { token: token ?? '', client_id: 'spa' }),
    /** The number of grants that the engine reported as successful. */
    successes,
    /** Unexpected errors of the engine. */
    failures,
    close: () => new Promise((resolve) => server.close(resolve).closeAllConnections()),
  }
}
