/** Composes the protocol: the engine with our clients, accounts, consents and tokens. */
import { accountClientId, createFindClient, createFindForClient } from '../account/index.ts'
import { accountReset } from '../accounts/index.ts'
import { assertionAlgorithms, hasPlainPort, oidcScopes, staticScope } from '../clients/index.ts'
import { requestIdOf } from '../http/access-log.ts'
import { countedIp } from '../http/ip.ts'
import { findDeepParameter, findLongParameter } from '../http/parameters.ts'
import { createOidcFeature } from '../oidc/index.ts'
import { entitledScopes, tokenLifetime } from '../resource-servers/index.ts'
import { createDenyLost } from '../revocation/index.ts'
import type { Defences } from './defences.ts'
import type { Identity } from './identity.ts'
import type { Platform } from './platform.ts'
import type { SessionParts } from './sessions.ts'
import type { SignIn } from './sign-in.ts'
import type { Tokens } from './tokens.ts'
import type { ViewKit } from './views.ts'

export type Protocol = ReturnType<typeof createProtocol>

export type Built = {
  tokens: Tokens
  defences: Defences
  identity: Identity
  sessionParts: SessionParts
  signIn: SignIn
  viewKit: ViewKit
}

export function createProtocol(platform: Platform, built: Built) {
  const { tokens, defences, identity, signIn, viewKit } = built
  const { config, settings, rootSecret, outbound, sentences, clock, random, log, redis } = platform
  const { artifacts, keyRing, consents, revocation } = tokens
  const { rateLimiter } = defences
  const { accounts, clients, digestWrongSecret, resourceServers } = identity
  const { sessions } = built.sessionParts
  const { views, cookieKeys, interactionCookie } = viewKit
  const { issuer, signingKeys } = config

  return platform.features.add(
    createOidcFeature({
      config,
      settings,
      artifacts,
      keyRing,
      cookieKeys,
      accounts,
      findForClient: createFindForClient(accounts),
      clients,
      findClient: createFindClient({ issuer, name: sentences.t('pages.own.clientName'), clients }),
      tokenlessClientId: accountClientId,
      digestWrongSecret,
      resourceServers,
      consents,
      sessions,
      offeredScopes: oidcScopes,
      staticScope,
      entitledScopes,
      assertionAlgorithms,
      hasPlainPort,
      findLongParameter,
      findDeepParameter,
      reachableLevel: signIn.mfa.factors.findHighestLevel,
      dpopNonceSecret: rootSecret.derive('dpop nonces'),
      fetchKeys: (url) => outbound.request(url, { purpose: 'jwks', accept: 'application/json' }),
      cacheSeconds: signingKeys.jwksCacheSeconds,
      announcedMs: signingKeys.times.announcedMs,
      interactionCookie,
      views,
      requestIdOf,
      accountReset: () => accountReset(),
      rateLimiter,
      countedIp,
      deny: revocation.revokeToken,
      denyLost: createDenyLost({
        redis,
        countUnknown: (ctx, clientId) => rateLimiter.countIdentifier(ctx, 'unknown_token', clientId),
        settings,
        longestSeconds: tokenLifetime.max,
        denyLost: artifacts.denyLost,
      }),
      clock,
      random,
      log,
    }),
  )
}
