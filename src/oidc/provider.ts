/** Builds the engine from the key set, and rebuilds it when the key set changes. */

import type { Context, Middleware } from 'koa'
import compose from 'koa-compose'
import type { Adapter, JWKS, KoaContextWithOIDC } from 'oidc-provider'
import { errors, Provider } from 'oidc-provider'
import type { ArtifactStore } from '../../adapters/index.ts'
import { requestUriUsed } from '../../adapters/index.ts'
import type { KeyRing, KeySet } from '../../keys/key-ring.ts'
import type { Level } from '../authentication/levels.ts'
import type { Client } from '../clients/client.ts'
import type { Clients } from '../clients/service.ts'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import type { Consents } from '../consents/service.ts'
import type { CookieKeys } from '../http/cookie-keys.ts'
import type { Log } from '../log.ts'
import type { ResourceServer, ResourceServers } from '../resource-servers/service.ts'
import type { Settings } from '../settings/service.ts'
import { createFindAccount } from './claims.ts'
import { createAssertionCheck } from './client-assertion.ts'
import { engineMetadata } from './client-metadata.ts'
import { createConfiguration, givesBackAccessToken } from './configuration.ts'
import { createLoadExistingGrant } from './consent-needed.ts'
import { createNonceRule, refuseReplayedProof } from './dpop.ts'
import { asEngineFailure, storeRetryAfterSeconds } from './errors.ts'
import { grants } from './grants/index.ts'
import { createGrantSteps, grantFeatures, registerGrants } from './grants/steps.ts'
import { createHints } from './id-token-hint.ts'
import type { InteractionCookie } from './interaction-cookie.ts'
import { bindInteractions } from './interaction-cookie.ts'
import { createEngine } from './internals.ts'
import { createJwtCustomizer } from './jwt-access-token.ts'
import type { KeySetAnswer } from './key-sets.ts'
import { createKeySetFetch } from './key-sets.ts'
import type { EngineLimits } from './limits.ts'
import type { createEnginePages } from './pages.ts'
import { createRefreshPolicy } from './refresh-lifetimes.ts'
import { createDefaultResource, createResourceNames, createResourceServerInfo } from './resource-servers.ts'

type Deps = {
  config: Pick<Config, 'issuer' | 'requirePushedRequests'>
  settings: Settings
  artifacts: Pick<ArtifactStore, 'adapter' | 'wrapGrant' | 'tokenIds' | 'issuedAt' | 'sidOf'>
  keyRing: KeyRing
  cookieKeys: CookieKeys
  accounts: Parameters<typeof createFindAccount>[0]['accounts']
  clients: Pick<Clients, 'findById' | 'secretMatches'>
  resourceServers: ResourceServers
  offeredScopes: readonly string[]
  staticScope: (client: Client) => string
  entitledScopes: (client: Client, resourceServer: ResourceServer) => readonly string[]
  /** Whether the port in a URI is written as a plain number. */
  hasPlainPort: (uri: string) => boolean
  consents: Consents
  pages: ReturnType<typeof createEnginePages>
  /** The first parameter that is longer than allowed. */
  findLongParameter: (parameters: Readonly<Record<string, unknown>>) => { parameter: string } | undefined
  /** The first parameter whose JSON is nested deeper than allowed. */
  findDeepParameter: (parameters: Readonly<Record<string, unknown>>) => string | undefined
  clock: Clock
  log: Log
  fetchKeys: (url: string) => Promise<KeySetAnswer>
  dpopNonceSecret: Buffer
  assertionAlgorithms: readonly string[]
  /** The strongest class of sign-in that a user can reach. */
  reachableLevel: (accountId: string) => Promise<Level>
  limits: EngineLimits
  /** The client of our own pages. It is used for sign-in and gets no tokens. */
  tokenlessClientId: string
  interactionCookie: InteractionCookie
  /** Our middleware inside the engine's chain. It is attached again at each build. */
  around: readonly ((ctx: KoaContextWithOIDC, next: () => Promise<void>) => Promise<void>)[]
}

/**
 * The adapter of one model, with store failures as engine errors. Clients are read from our own
 * table.
 */
function adapterFor(model: string, { artifacts, clients, staticScope, clock }: Deps) {
  const adapter = artifacts.adapter(model)
  const findClient = async (id: string) => {
    const client = await clients.findById(id)
    return client && !client.isDisabled ? engineMetadata(client, staticScope(client), clock.now()) : undefined
  }
  const findProof = async (id: string) => {
    const found = await adapter.find(id)
    if (found) refuseReplayedProof(Provider.ctx, id)
    return found
  }
  // The engine looks it up again after the sign-in, and would redirect to the client with the
  // error.
  const findRequest = async (id: string) => {
    const found = await adapter.find(id)
    if (found?.consumed) throw requestUriUsed()
    return found
  }
  const own: Readonly<Record<string, Adapter['find']>> = {
    Client: findClient,
    ReplayDetection: findProof,
    PushedAuthorizationRequest: findRequest,
  }
  const find = own[model] ?? adapter.find
  return {
    find: (id: string) => asEngineFailure(() => find(id)),
    findByUid: (uid: string) => asEngineFailure(() => adapter.findByUid(uid)),
    findByUserCode: (code: string) => asEngineFailure(() => adapter.findByUserCode(code)),
    upsert: (...args: Parameters<typeof adapter.upsert>) => asEngineFailure(() => adapter.upsert(...args)),
    consume: (id: string) => asEngineFailure(() => adapter.consume(id)),
    destroy: (id: string) => asEngineFailure(() => adapter.destroy(id)),
    revokeByGrantId: async (id: string) => {
      if (!givesBackAccessToken(Provider.ctx)) await asEngineFailure(() => adapter.revokeByGrantId(id))
    },
  }
}

/**
 * Refuses long or deeply nested parameters of bodies that the engine reads itself. It runs at the
 * client look-up, the first step of each such endpoint. Throws InvalidRequest.
 */
function refuseOddParameters({
  findLongParameter,
  findDeepParameter,
}: Pick<Deps, 'findLongParameter' | 'findDeepParameter'>): void {
  const body = Provider.ctx?.oidc?.body ?? {}
  const long = findLongParameter(body)
  if (long) throw new errors.InvalidRequest(`${long.parameter} is too long`)
  const deep = findDeepParameter(body)
  if (deep) throw new errors.InvalidRequest(`${deep} is nested too deeply`)
}

export function createOidc(deps: Deps) {
  const { artifacts, clients, keyRing, limits, log } = deps
  const findAccount = createFindAccount(deps)
  const loadExistingGrant = createLoadExistingGrant(deps)
  const resourceServerInfo = createResourceServerInfo(deps)
  const resourceNames = createResourceNames(deps)
  const defaultResource = createDefaultResource(deps)
  const customizeJwt = createJwtCustomizer(artifacts)
  const hints = createHints({ issuer: deps.config.issuer, keyRing, clients })
  const fetchKeySet = createKeySetFetch({ fetchKeys: deps.fetchKeys, now: deps.clock.now, log })
  const assertClientAssertion = createAssertionCheck({
    issuer: deps.config.issuer,
    assertionAlgorithms: deps.assertionAlgorithms,
    now: deps.clock.now,
  })
  const requireDpopNonce = createNonceRule({ now: deps.clock.now })
  const refreshPolicy = createRefreshPolicy({ settings: deps.settings, now: deps.clock.now })

  function build(keys: KeySet): { provider: Provider; handle: Middleware } {
    const confirmKeys = () => asEngineFailure(() => keyRing.confirm(keys))
    const provider = createEngine({
      issuer: deps.config.issuer,
      configuration: createConfiguration({
        ...deps,
        grantFeatures: grantFeatures(grants),
        adapter: (model) => adapterFor(model, deps),
        jwks: { keys: keys.privateJwks } as JWKS,
        signingAlgorithms: keys.algorithms,
        findAccount: (...args: Parameters<typeof findAccount>) =>
          asEngineFailure(async () => {
            await limits.beforeAccount(...args)
            return findAccount(...args)
          }),
        loadExistingGrant: (ctx) => asEngineFailure(() => loadExistingGrant(ctx)),
        getResourceServerInfo: (...args: Parameters<typeof resourceServerInfo>) =>
          asEngineFailure(() => resourceServerInfo(...args)),
        refreshPolicy,
        mayIntrospect: (clientId, audience) =>
          asEngineFailure(() => deps.resourceServers.mayIntrospect(clientId, audience)),
        defaultResource: (client, granted) => asEngineFailure(() => defaultResource(client, granted)),
        customizeJwt,
        fetchKeySet,
        assertClientAssertion,
        requireDpopNonce,
        reachableLevel: (accountId) => asEngineFailure(() => deps.reachableLevel(accountId)),
        now: deps.clock.now,
      }),
      wrapGrant: createGrantSteps({
        grants,
        artifacts,
        limits,
        confirmKeys,
        tokenlessClientId: deps.tokenlessClientId,
        registeredResource: resourceNames.registered,
        checks: { offeredScopes: deps.offeredScopes, refreshPolicy },
      }),
      formPost: deps.pages.formPost,
      clients: { findById: (id) => asEngineFailure(() => clients.findById(id)) },
      now: deps.clock.now,
      secretMatches: clients.secretMatches,
      beforeClient: (clientId) => {
        refuseOddParameters(deps)
        return limits.beforeClient(clientId)
      },
      unprovenHint: hints.unproven,
      sidOf: artifacts.sidOf,
      hasPlainPort: deps.hasPlainPort,
    })
    registerGrants(provider, grants)
    bindInteractions(provider, deps.interactionCookie)
    for (const middleware of [limits.around, hints.around, ...deps.around]) provider.use(middleware)
    provider.on('server_error', (_ctx, error) => log.error({ err: error }, 'the engine failed'))
    return { provider, handle: compose(provider.middleware) }
  }

  let current = build(keyRing.current())
  const stop = keyRing.onChange((keys) => {
    // Requests in flight finish on the engine that they began with.
    current = build(keys)
  })

  return {
    provider: () => current.provider,
    middleware: async (ctx: Context, next: () => Promise<void>): Promise<void> => {
      await resourceNames.middleware(ctx, () => current.handle(ctx, next))
      if (ctx.status === 503) ctx.set('Retry-After', String(storeRetryAfterSeconds))
    },
    close: stop,
  }
}
