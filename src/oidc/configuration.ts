/**
 * The engine's documented configuration, with an explicit value for everything it would warn about.
 */
import type { Adapter, Configuration, KoaContextWithOIDC, SigningAlgorithm } from 'oidc-provider'
import type { Level } from '../authentication/levels.ts'
import type { Config } from '../config/config.ts'
import type { CookieKeys } from '../http/cookie-keys.ts'
import type { RuntimeSettings } from '../settings/service.ts'
import { acrValues } from './acr.ts'
import { authenticationClaims } from './authentication-claims.ts'
import { assertClaimsParameter, claimsByScope } from './claims.ts'
import type { createAssertionCheck } from './client-assertion.ts'
import { maxAheadSeconds } from './client-assertion.ts'
import { ownProperties } from './client-metadata.ts'
import { isClientOriginAllowed } from './cors.ts'
import type { createNonceRule } from './dpop.ts'
import { dpopAlgorithms } from './dpop.ts'
import { routes } from './endpoints.ts'
import type { GrantFeatures } from './grants/grant.ts'
import type { createJwtCustomizer } from './jwt-access-token.ts'
import type { createKeySetFetch } from './key-sets.ts'
import type { createEnginePages } from './pages.ts'
import { createPolicy, keepPushedOfflineAccess } from './policy.ts'
import type { RefreshPolicy } from './refresh-lifetimes.ts'
import type { createDefaultResource, createResourceServerInfo } from './resource-servers.ts'

type Hook<Name extends keyof Configuration> = NonNullable<Configuration[Name]>

export type ConfigurationDeps = {
  config: Pick<Config, 'issuer' | 'requirePushedRequests'>
  settings: { get: () => RuntimeSettings }
  adapter: (model: string) => Adapter
  jwks: Configuration['jwks']
  /** The algorithms for which there is a signing key. */
  signingAlgorithms: readonly string[]
  cookieKeys: CookieKeys
  /** The scopes of OpenID Connect, without those of APIs. */
  offeredScopes: readonly string[]
  findAccount: Hook<'findAccount'>
  loadExistingGrant: Hook<'loadExistingGrant'>
  getResourceServerInfo: ReturnType<typeof createResourceServerInfo>
  pages: ReturnType<typeof createEnginePages>
  refreshPolicy: RefreshPolicy
  /** The strongest class of sign-in that a user can reach. */
  reachableLevel: (accountId: string) => Promise<Level>
  /** Whether the client may introspect tokens of that audience. */
  mayIntrospect: (clientId: string, audience: string) => Promise<boolean>
  defaultResource: ReturnType<typeof createDefaultResource>
  customizeJwt: ReturnType<typeof createJwtCustomizer>
  fetchKeySet: ReturnType<typeof createKeySetFetch>
  /** The algorithms that clients may sign assertions with. */
  assertionAlgorithms: readonly string[]
  grantFeatures: GrantFeatures
  assertClientAssertion: ReturnType<typeof createAssertionCheck>
  /** 32 bytes, the same in every process. */
  dpopNonceSecret: Buffer
  requireDpopNonce: ReturnType<typeof createNonceRule>
  now: () => number
}

const codeSeconds = 60
const interactionSeconds = 3600
const idTokenSeconds = 600
// RFC 9126 §2.2: one redirect later the request has been used.
const pushedRequestSeconds = 60

/**
 * Cookie names have the prefixes that browsers enforce (RFC 6265bis §4.1.3), except over plain
 * http.
 */
function cookieNames(issuer: string) {
  const isSecure = issuer.startsWith('https:')
  return {
    session: `${isSecure ? '__Host-' : ''}latchkey.session`,
    interaction: `${isSecure ? '__Secure-' : ''}latchkey.interaction`,
    resume: `${isSecure ? '__Secure-' : ''}latchkey.resume`,
  }
}

/**
 * Revoking an access token ends only that token, as with a JWT; revoking a refresh token ends its
 * family (RFC 7009 §2.1).
 */
export const givesBackAccessToken = (ctx: KoaContextWithOIDC | undefined): boolean =>
  ctx?.oidc?.route === 'revocation' && ctx.oidc.entities.AccessToken !== undefined

/** The attributes of the engine's cookies. The session's cookie also has `path: '/'`. */
export const cookieOptions = (issuer: string) =>
  ({ httpOnly: true, sameSite: 'lax', secure: issuer.startsWith('https:'), signed: true }) as const

/** The complete configuration of the engine. Lifetimes are in seconds. */
export function createConfiguration(deps: ConfigurationDeps): Configuration {
  const { settings, refreshPolicy, now } = deps
  const cookie = cookieOptions(deps.config.issuer)
  const epochSeconds = () => Math.floor(now() / 1000)

  return {
    adapter: deps.adapter,
    jwks: deps.jwks,
    fetch: (url) => deps.fetchKeySet(String(url)),
    findAccount: deps.findAccount,
    extraTokenClaims: authenticationClaims,
    formats: { customizers: { jwt: deps.customizeJwt } },
    loadExistingGrant: deps.loadExistingGrant,
    acrValues: [...acrValues],
    claims: { ...claimsByScope },
    scopes: [...deps.offeredScopes],
    subjectTypes: ['public'],
    responseTypes: ['code'],
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
    assertJwtClientAuthClaimsAndHeader: deps.assertClientAssertion,
    clientDefaults: {
      grant_types: ['authorization_code'],
      response_types: ['code'],
      id_token_signed_response_alg: 'RS256',
    },
    enabledJWA: {
      idTokenSigningAlgValues: [...deps.signingAlgorithms] as SigningAlgorithm[],
      clientAuthSigningAlgValues: [...deps.assertionAlgorithms] as SigningAlgorithm[],
      dPoPSigningAlgValues: [...dpopAlgorithms],
    },
    // How far a client's `nbf` may be ahead. Expired assertions: see `client-assertion.ts`.
    // Our own tokens are compared with our own clock.
    clockTolerance: maxAheadSeconds,
    conformIdTokenClaims: true,
    allowOmittingSingleRegisteredRedirectUri: false,
    acceptQueryParamAccessTokens: false,
    // `post-to-get.ts` answers a POST at the authorization and end-session endpoints before the
    // engine.
    enableHttpPostMethods: false,
    cookies: {
      names: cookieNames(deps.config.issuer),
      keys: deps.cookieKeys,
      long: { ...cookie, path: '/' },
      short: cookie,
    },
    discovery: { claim_types_supported: ['normal'], ui_locales_supported: ['en'] },
    // Not a new parameter: an additional check of `scope`, which also runs when it is missing.
    extraParams: { scope: keepPushedOfflineAccess },
    extraClientMetadata: { properties: [...ownProperties] },
    pkce: { required: (_ctx, client) => client.require_pkce !== false || client.tokenEndpointAuthMethod === 'none' },
    routes,
    clientBasedCORS: isClientOriginAllowed,
    interactions: {
      policy: createPolicy({ reachable: deps.reachableLevel }),
      url: (_ctx, interaction) => `/interaction/${interaction.uid}`,
    },
    // A session that expires ends no token; logout ends tokens without offline access
    // (src/sessions).
    expiresWithSession: () => false,
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: ({ oidc }) => refreshPolicy.rotates(oidc.client, oidc.entities.RefreshToken),
    revokeGrantPolicy: (ctx) => !givesBackAccessToken(ctx),
    renderError: deps.pages.renderError,
    pairwiseIdentifier: () => {
      throw new Error('pairwise subjects are not offered')
    },
    ttl: {
      AccessToken: (_ctx, token) => token.resourceServer?.accessTokenTTL ?? settings.get().accessTokenSeconds,
      ClientCredentials: (_ctx, token) => token.resourceServer?.accessTokenTTL ?? settings.get().accessTokenSeconds,
      AuthorizationCode: codeSeconds,
      IdToken: idTokenSeconds,
      Interaction: interactionSeconds,
      PushedAuthorizationRequest: pushedRequestSeconds,
      // The grant is valid as long as the longest refresh family that may belong to it.
      Grant: ({ oidc }) => refreshPolicy.familySeconds(oidc.client) + codeSeconds,
      RefreshToken: (_ctx, token, client) => refreshPolicy.tokenSeconds(token, client),
      Session: (_ctx, session) => {
        const { sessionIdleSeconds, sessionAbsoluteSeconds } = settings.get()
        const sessionEnds = (session.loginTs ?? epochSeconds()) + sessionAbsoluteSeconds
        return Math.max(1, Math.min(sessionIdleSeconds, sessionEnds - epochSeconds()))
      },
    },
    features: {
      ...deps.grantFeatures,
      devInteractions: { enabled: false },
      claimsParameter: { enabled: true, assertClaimsParameter: assertClaimsParameter },
      dPoP: { enabled: true, nonceSecret: deps.dpopNonceSecret, requireNonce: deps.requireDpopNonce },
      pushedAuthorizationRequests: {
        enabled: true,
        requirePushedAuthorizationRequests: deps.config.requirePushedRequests,
        allowUnregisteredRedirectUris: false,
      },
      userinfo: { enabled: true },
      // RFC 7662 §4, RFC 7009 §2.1: a client may introspect and revoke its own tokens.
      // The clients of an API may introspect the tokens of that API.
      introspection: {
        enabled: true,
        allowedPolicy: async (_ctx, client, token) =>
          client.tokenEndpointAuthMethod !== 'none' &&
          (token.clientId === client.clientId ||
            ('aud' in token &&
              typeof token.aud === 'string' &&
              (await deps.mayIntrospect(client.clientId, token.aud)))),
      },
      revocation: { enabled: true, allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId },
      resourceIndicators: {
        enabled: true,
        defaultResource: async (_ctx, client, oneOf) => await deps.defaultResource(client, oneOf),
        getResourceServerInfo: deps.getResourceServerInfo,
        // Without `resource` an OpenID token request gets a token for userinfo. A client with a
        // default resource gets one for that, and the userinfo claims in its ID tokens.
        useGrantedResource: ({ oidc }) => oidc.client?.default_resource !== undefined,
      },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: deps.pages.logoutSource,
        postLogoutSuccessSource: deps.pages.postLogoutSuccessSource,
      },
    },
  }
}
